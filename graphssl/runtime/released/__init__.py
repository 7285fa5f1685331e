"""Checkpoints that others released: read, and their names made ours and back. One file per release in `layouts/`."""
