"""What a finished run was: one page about it, its curves, and several runs beside each other. Imports torch only for pictures."""
