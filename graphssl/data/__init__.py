"""Images in, views out: sources, samplers, augmentation and loaders.

Importing this package imports nothing heavy; `steps` in particular stays free of torch and numpy, because
checking a graph needs only the table of augmentation steps.
"""
