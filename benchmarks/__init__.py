"""What was measured, as scripts; results.md holds the numbers."""
