"""Attributes and types in the few words that fit a box or an edge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from graphssl.ir.graph import Node
from graphssl.ir.types import Axis, Value
from graphssl.language.fields import REQUIRED
from graphssl.language.schedule import Schedule

LINE = 26
"""Characters that a line in a box holds."""

ELSEWHERE = ("momentum", "update", "weight")
"""Attributes that are drawn on an edge or as a badge."""


@dataclass(frozen=True)
class Shape:
    """A run of equal values: how many, or None for a single one that is no list."""

    kind: str
    axes: tuple[Axis, ...]
    count: int | None = None

    @property
    def many(self) -> str:
        """`2 × features`."""
        return self.kind if self.count is None else f"{self.count} × {self.kind}"

    @property
    def size(self) -> str:
        """`[b 256]`, or nothing for a scalar; `d` for a width that only the built model knows, `n` for its tokens."""
        return f"[{' '.join(map(_axis, self.axes))}]" if self.axes else ""

    def __str__(self) -> str:
        return self.many + self.size


def _axis(axis: Axis) -> str:
    """`f.d`, the width of node f, without the node, which stands beside it."""
    return str(axis).rpartition(".")[2].rstrip("0123456789") if isinstance(axis, str) else str(axis)


def shapes_of(values: Iterable[Value], listed: bool) -> tuple[Shape, ...]:
    """What flows along an edge, nothing where it is unknown."""
    runs = [(key, len(list(run))) for key, run in groupby(values, key=lambda v: (v.kind, v.axes))]
    if any(kind == "unknown" for (kind, _), _ in runs):
        return ()
    return tuple(Shape(kind, axes, count if listed else None) for (kind, axes), count in runs)


def words(value: Any) -> str:
    """Any attribute as one line of text."""
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case Schedule() | str() | int():
            return str(value)
        case None:
            return "none"
        case dict():
            return ", ".join(f"{key} {words(item)}" for key, item in value.items())
        case list() | tuple():
            if value and all(isinstance(item, int) for item in value):
                return " → ".join(map(str, value))
            return ", ".join(map(words, value))
    return str(value)


def attribute_words(node: Node, key: str, value: Any) -> Iterator[str]:
    """What a box says about an attribute: nothing when it is the default, drawn elsewhere, or a curve."""
    own = node.op.attrs.get(key)
    declared = own or node.signature.attrs.get(key)
    if (
        key in ELSEWHERE
        or value is None
        or isinstance(value, Schedule)
        or (own and own.default is not REQUIRED and own.default == value)
    ):
        return
    required = declared is not None and declared.default is REQUIRED
    if isinstance(value, bool):
        yield key if value else f"no {key}"
    elif isinstance(value, (list, tuple)) and any(isinstance(item, (list, tuple)) for item in value):
        yield from _counted(key, value)
    elif (isinstance(value, str) and required) or (isinstance(value, (list, tuple)) and words(value).count("→")):
        yield words(value)
    else:
        yield f"{key} {words(value)}"


def _counted(key: str, value: Sequence[Any]) -> Iterator[str]:
    """The names of a list of named things, as many to a line as fit, or how many there are."""
    names = [item[0] for item in value if isinstance(item, (list, tuple)) and item and isinstance(item[0], str)]
    if len(names) < len(value):
        yield f"{len(value)} {key}"
        return
    line = ""
    for name in names:
        if line and len(line) + 2 + len(name) > LINE:
            yield line
            line = ""
        line += f", {name}" if line else name
    if line:
        yield line


def packed(phrases: list[str], lines: int = 4) -> tuple[str, ...]:
    """The phrases on few lines, as many to a line as fit; what does not fit ends in an ellipsis."""
    found: list[str] = []
    for phrase in phrases:
        phrase = clipped(phrase, LINE)
        if found and len(found[-1]) + 2 + len(phrase) <= LINE:
            found[-1] += f", {phrase}"
        elif len(found) < lines:
            found.append(phrase)
        else:
            return (*found[:-1], clipped(f"{found[-1]}, …", LINE))
    return tuple(found)


def clipped(text: str, length: int) -> str:
    """At most `length` characters, the last one an ellipsis where something is missing."""
    return text if len(text) <= length else text[: length - 1] + "…"
