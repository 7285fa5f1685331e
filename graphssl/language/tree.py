"""YAML as data that still knows where each piece was written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from graphssl.language.diagnostics import Span


@dataclass(frozen=True)
class Scalar:
    """A null, boolean, number or string; `text` is what stood in the file."""

    value: bool | int | float | str | None
    span: Span
    text: str


@dataclass(frozen=True)
class Sequence:
    items: tuple[Tree, ...]
    span: Span


@dataclass(frozen=True)
class Entry:
    """A key of a mapping with its value."""

    key: str
    key_span: Span
    value: Tree


@dataclass(frozen=True)
class Mapping:
    entries: dict[str, Entry]
    span: Span

    def __contains__(self, key: str) -> bool:
        return key in self.entries

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries.values())

    def get(self, key: str) -> Tree | None:
        entry = self.entries.get(key)
        return entry.value if entry else None

    def with_value(self, key: str, value: Tree, key_span: Span | None = None) -> Mapping:
        """The same mapping with `key` set; a new key comes last."""
        old = self.entries.get(key)
        span = key_span or (old.key_span if old else value.span)
        return replace(self, entries={**self.entries, key: Entry(key, span, value)})

    def without(self, *keys: str) -> Mapping:
        return replace(self, entries={k: e for k, e in self.entries.items() if k not in keys})


Tree: TypeAlias = Scalar | Sequence | Mapping


def plain(tree: Tree) -> Any:
    """The bare Python value: dict, list, or scalar."""
    match tree:
        case Scalar():
            return tree.value
        case Sequence():
            return [plain(item) for item in tree.items]
        case Mapping():
            return {entry.key: plain(entry.value) for entry in tree}


def weight(text: str) -> int:
    """What one text counts as: a value, and one more for each 100 characters."""
    return 1 + len(text) // 100


def size(tree: Tree) -> int:
    """How many values a tree holds, itself counted, and keys; long texts count for more."""
    match tree:
        case Sequence():
            return 1 + sum(map(size, tree.items))
        case Mapping():
            return 1 + sum(weight(entry.key) + size(entry.value) for entry in tree)
    return weight(tree.text)


def depth(tree: Tree) -> int:
    """How many maps and lists lie inside each other."""
    match tree:
        case Sequence():
            return 1 + max(map(depth, tree.items), default=0)
        case Mapping():
            return 1 + max((depth(entry.value) for entry in tree), default=0)
    return 0


def unresolved(tree: Tree) -> bool:
    """Whether a `${}` is left in it, which was reported before: nothing can be said about such a value."""
    match tree:
        case Scalar():
            return isinstance(tree.value, str) and "${" in tree.value
        case Sequence():
            return any(map(unresolved, tree.items))
        case Mapping():
            return any(unresolved(entry.value) for entry in tree)


def at(tree: Tree, path: list[str | int]) -> Tree:
    """The deepest piece of `tree` along `path` that exists."""
    for step in path:
        if isinstance(tree, Mapping) and isinstance(step, str) and step in tree:
            tree = tree.entries[step].value
        elif isinstance(tree, Sequence) and isinstance(step, int) and step < len(tree.items):
            tree = tree.items[step]
        else:
            break
    return tree


def shown(tree: Tree) -> str:
    """A short name for a value in an error message."""
    match tree:
        case Scalar(value=None):
            return "nothing"
        case Scalar():
            word = f"`{tree.text[:60]}{'…' if len(tree.text) > 60 else ''}`"
            return f"the text {word}" if isinstance(tree.value, str) and _like_a_number(tree.value) else word
        case Sequence():
            return f"a list of {len(tree.items)}"
        case Mapping():
            return "a map" + (f" with `{next(iter(tree.entries))}`" if tree.entries else "")


def _like_a_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text in ("true", "false", "null")
    return True
