"""Handing an encoder to the tools people use: one format per file, and the table of them."""
