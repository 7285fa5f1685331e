"""Pictures of what a network sees: patch features as colours, attention, neighbours, features in the plane."""
