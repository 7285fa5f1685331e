"""What flows along an edge: a kind, named axes, and flags."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

KINDS = (
    "image",
    "features",
    "tokens",
    "map",
    "logits",
    "probabilities",
    "mask",
    "weights",
    "label",
    "scores",
    "scalar",
    "images",  # a set of them, of a curation
    "unknown",
)

ANY_AXIS = "_"
"""In a pattern: an axis of any width, which may differ between the values of a list."""

Axis = int | str
"""A width that is known, or a symbol: `b` samples of a rank, `B` samples of all ranks, `f.d` the width of node f."""


@dataclass(frozen=True)
class Value:
    """One tensor: its kind and axes, whether gradient flows back through it, and where it comes from.

    grad: depends on trained weights. unit: rows are l2-normalised. gathered: rows of all ranks.
    view: the source node (or element of its list) that it was computed from.
    """

    kind: str
    axes: tuple[Axis, ...] = ()
    grad: bool = False
    unit: bool = False
    gathered: bool = False
    view: str | None = None

    def __str__(self) -> str:
        axes = f"[{' '.join(map(str, self.axes))}]" if self.axes else ""
        flags = [name for name in ("grad", "unit", "gathered") if getattr(self, name)]
        return " ".join([f"{self.kind}{axes}", *flags])


UNKNOWN = Value("unknown")


@dataclass(frozen=True)
class Edge:
    """What a node's port gives: one value, or a list of them (one per view)."""

    values: tuple[Value, ...]
    listed: bool = False

    def __str__(self) -> str:
        return f"{len(self.values)} × {self.values[0]}" if self.listed and self.values else str(self.values[0])

    @property
    def grad(self) -> bool:
        return any(value.grad for value in self.values)


@dataclass(frozen=True)
class Pattern:
    """What an input accepts or an output gives: `features[b d]`."""

    kind: str
    axes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind} ({' '.join(self.axes)})" if self.axes else self.kind


_PATTERN = re.compile(r"([a-z]+)(?:\[([^\]]*)\])?")


def patterns(text: str) -> tuple[Pattern, ...]:
    """`features[b d] | tokens[b n d]` as patterns; `any` accepts everything."""
    found = []
    for part in text.split("|"):
        match = _PATTERN.fullmatch(part.strip())
        assert match and match[1] in (*KINDS, "any"), f"this is a bug in graphssl: bad pattern {text!r}"
        found.append(Pattern(match[1], tuple((match[2] or "").split())))
    return tuple(found)


@dataclass
class Axes:
    """Which axes are the same, over a whole file (union-find over symbols; numbers and `b`/`B` are fixed)."""

    parent: dict[Axis, Axis] = field(default_factory=dict)

    def find(self, axis: Axis) -> Axis:
        while axis in self.parent:
            axis = self.parent[axis]
        return axis

    def unify(self, left: Axis, right: Axis) -> bool:
        """Make two axes one; False when they are known to differ."""
        left, right = self.find(left), self.find(right)
        if left == right:
            return True
        if _fixed(left) and _fixed(right):
            return False
        if _fixed(left):
            left, right = right, left
        self.parent[left] = right
        return True

    def settled(self, value: Value) -> Value:
        return replace(value, axes=tuple(self.find(axis) for axis in value.axes))


def _fixed(axis: Axis) -> bool:
    return isinstance(axis, int) or axis in ("b", "B")


def any_grad(values: Iterable[Value]) -> bool:
    return any(value.grad for value in values)
