"""How large a file, its graph and a drawing may be: far more than a method needs, and little enough that checking, drawing
and comparing whatever somebody wrote takes a few seconds and some hundred megabytes.
"""

from __future__ import annotations

MAX_BYTES = 1_000_000
"""Of one text."""

MAX_DEPTH = 32
"""Maps and lists inside each other, and every other chain that is followed by recursion."""

MAX_VALUES = 20_000
"""Values that a text expands to by aliases, blocks and `${}`; a long text counts once more for each 100 characters."""

MAX_TEXT = 10_000
"""Characters of a text that `${}` makes."""

MAX_NUMBER = 1e30
"""Magnitude of a number, small enough that products of a few of them stay finite."""

MAX_PARENTS = 8
"""Files, or variants, that extend each other."""

MAX_VARIANTS = 64
"""Of a file, inherited ones included."""

MAX_NODES = 1_500
"""Of a graph, blocks expanded."""

MAX_DRAWN = 200
"""Boxes of a drawing, and nodes of a method that is compared: to place boxes takes the square of their number."""

MAX_DRAWN_WIRES = 1_500
"""Wires of a drawing."""

MAX_LIST = 256
"""Elements of a list of views, wherever it flows."""

MAX_WIRES = 5_000
"""Values that arrive at nodes and pairs that losses compare, of all nodes together."""

MAX_FINDINGS = 200
"""Behind so many, nothing more is looked at."""

MAX_WORD = 200
"""Characters of a name or reference."""
