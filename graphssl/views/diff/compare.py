"""Two typed graphs → `Diff`: every fact of their dumps that differs, said of matched nodes and modulo renames.

Text plays no part: file names, line numbers, comments, titles and the way a file was put together make no difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphssl.ir.dump import shown
from graphssl.ir.graph import Graph, Node
from graphssl.ir.types import Axis, Edge
from graphssl.language.spec import Ref
from graphssl.views.diff.match import match

if TYPE_CHECKING:
    from graphssl.views import Drawing

PARTS = ("op", "of", "input", "attribute", "pairs", "output", "represent", "monitor", "recipe", "group", "order")
"""What a change is of: the first six belong to a node, the others to the method."""


class Absent(Enum):
    """In place of a value where there is none (`None` is a value)."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


@dataclass(frozen=True)
class Change:
    """One fact that differs. part: one of PARTS; key: which port, attribute or field; old, new: values, or ABSENT."""

    part: str
    key: str
    old: Any
    new: Any


def mark_of(old: object, new: object, changed: bool) -> str:
    """How a drawing marks what is `old` in one method and `new` in the other, None where it is not in it."""
    return "added" if old is None else "removed" if new is None else "changed" if changed else ""


@dataclass(frozen=True)
class NodeDiff:
    """A node that differs. old, new: its name in each method, None where it is not in it."""

    old: str | None
    new: str | None
    changes: tuple[Change, ...]

    @property
    def mark(self) -> str:
        """`added`, `removed`, `changed`, or nothing where only its name or what follows from others differs."""
        return mark_of(self.old, self.new, any(change.part not in ("output", "pairs") for change in self.changes))

    @property
    def renamed(self) -> bool:
        return self.old is not None and self.new is not None and self.old != self.new

    def change(self, part: str, key: str = "") -> Change | None:
        return next((c for c in self.changes if (c.part, c.key) == (part, key)), None)


@dataclass(frozen=True)
class Diff:
    """What turns method `a` into method `b`; false when nothing does.

    nodes: those that differ, `b`'s in their order, removed ones where they stood. matched: from names in `a` to names in `b`.
    method: changes of represent, monitors, recipe, groups and computing order. labels: what to call the two.
    """

    nodes: tuple[NodeDiff, ...]
    method: tuple[Change, ...]
    matched: Mapping[str, str] = field(compare=False, repr=False)
    a: Graph = field(compare=False, repr=False)
    b: Graph = field(compare=False, repr=False)
    labels: tuple[str, str] = field(compare=False)

    def __bool__(self) -> bool:
        return bool(self.nodes or self.method)

    def __str__(self) -> str:
        from graphssl.views.diff.text import text

        return text(self)

    def to_json(self) -> str:
        """The diff as one JSON document."""
        from graphssl.views.diff.json import json

        return json(self)

    def _repr_svg_(self) -> str:
        return self.drawing()._repr_svg_()

    def drawing(self) -> Drawing:
        """Both methods in one drawing; as a page, also side by side."""
        from graphssl.views import Drawing
        from graphssl.views.diff.overlay import diff_scenes

        return Drawing(diff_scenes(self)[2], self._page)

    def _page(self) -> str:
        from graphssl.views.page import comparison, html

        return html(" → ".join(self.labels), comparison(self), mode="diff")

    def save(self, path: str | Path) -> Path:
        """Write both methods in one drawing, in the format that the suffix of `path` names."""
        return self.drawing().save(path)

    def merged_names(self) -> dict[str, str]:
        """A name for each node of `a` beside those of `b`: that of its counterpart, or one that no node has."""
        return _merged_names(self.a, self.b, self.matched)


def compare(a: Graph, b: Graph, labels: tuple[str, str] | None = None) -> Diff:
    """The exact difference of two graphs, modulo the names of methods and of nodes that play the same part."""
    matched = match(a, b)
    names = _merged_names(a, b, matched)
    return Diff(
        nodes=tuple(_nodes(a, b, matched, names)),
        method=tuple(_method_changes(a, b, matched, names)),
        matched=matched,
        a=a,
        b=b,
        labels=labels or (a.name, b.name),
    )


def _merged_names(a: Graph, b: Graph, matched: Mapping[str, str]) -> dict[str, str]:
    taken, names = set(b.nodes), {}
    for name in a.nodes:
        new = matched.get(name, name)
        while name not in matched and new in taken:
            new += " (before)"
        taken.add(new)
        names[name] = new
    return names


def _nodes(a: Graph, b: Graph, matched: Mapping[str, str], names: Mapping[str, str]) -> Iterable[NodeDiff]:
    for was, now in merged_order(a, b, matched):
        old, new = a.nodes.get(was or ""), b.nodes.get(now or "")
        changes = _changes(facts(old, names) if old else {}, facts(new, {}) if new else {})
        if old is None or new is None or changes or old.name != new.name:
            yield NodeDiff(was, now, changes)


def merged_order(a: Graph, b: Graph, matched: Mapping[str, str]) -> list[tuple[str | None, str | None]]:
    """All nodes as (name in a, name in b): `b`'s order, and each removed node behind the one it followed in `a`."""
    back = {new: old for old, new in matched.items()}
    after: dict[str | None, list[str]] = {}
    last: str | None = None
    for name in a.nodes:
        if name in matched:
            last = name
        else:
            after.setdefault(last, []).append(name)
    found: list[tuple[str | None, str | None]] = [(name, None) for name in after.get(None, ())]
    for name in b.nodes:
        old = back.get(name)
        found.append((old, name))
        found += [(gone, None) for gone in after.get(old, ())] if old else []
    return found


def facts(node: Node, names: Mapping[str, str]) -> dict[tuple[str, str], Any]:
    """Everything that a dump says of a node, by (part, key), with the names of other nodes replaced by `names`."""
    found: dict[tuple[str, str], Any] = {("op", ""): node.op.name}
    if node.of:
        found["of", ""] = _ref(node.of, names)
    found |= {("input", port): tuple(_ref(ref, names) for ref in refs) for port, refs in node.inputs.items()}
    found |= {("attribute", key): value for key, value in sorted(node.attrs.items())}
    if node.pairs is not None:
        found["pairs", ""] = node.pairs
    found |= {("output", port): str(_renamed(edge, names)) for port, edge in node.outputs.items() if edge.values}
    return found


def _ref(ref: Ref, names: Mapping[str, str]) -> str:
    return str(replace(ref, node=names.get(ref.node, ref.node)))


def _renamed(edge: Edge, names: Mapping[str, str]) -> Edge:
    """The edge with the names in its symbolic widths replaced."""

    def axis(axis: Axis) -> Axis:
        node, dot, rest = str(axis).partition(".")
        return f"{names.get(node, node)}.{rest}" if dot else axis

    return Edge(tuple(replace(v, axes=tuple(map(axis, v.axes))) for v in edge.values), edge.listed)


def _changes(old: Mapping[tuple[str, str], Any], new: Mapping[tuple[str, str], Any]) -> tuple[Change, ...]:
    keys = sorted(old.keys() | new.keys(), key=lambda k: (PARTS.index(k[0]), [*old, *new].index(k)))
    pairs = [(key, old.get(key, ABSENT), new.get(key, ABSENT)) for key in keys]
    return tuple(Change(*key, x, y) for key, x, y in pairs if x is ABSENT or y is ABSENT or shown(x) != shown(y))


def _method_changes(a: Graph, b: Graph, matched: Mapping[str, str], names: Mapping[str, str]) -> Iterable[Change]:
    yield from _changes(method_facts(a, names), method_facts(b, {}))
    yield from _order("nodes", list(matched.values()), [name for name in b.nodes if name in set(matched.values())])
    mine = [group.name for group in a.train.groups] if a.train else []
    theirs = [group.name for group in b.train.groups] if b.train else []
    yield from _order("groups", [g for g in mine if g in theirs], [g for g in theirs if g in mine])


def _order(key: str, old: Sequence[str], new: Sequence[str]) -> Iterable[Change]:
    """What both have, where it stands in another order."""
    if old != new:
        yield Change("order", key, tuple(old), tuple(new))


def method_facts(graph: Graph, names: Mapping[str, str]) -> dict[tuple[str, str], Any]:
    """Everything that a dump says of the method besides its nodes, by (part, key)."""
    found: dict[tuple[str, str], Any] = {}
    if graph.represent:
        found["represent", ""] = _ref(graph.represent, names)
    found |= {("monitor", name): _ref(ref, names) for name, ref in graph.monitors}
    if graph.train is None:
        return found
    for key, value in vars(graph.train).items():
        if key not in ("span", "spans", "groups", "optimizer_args"):
            found["recipe", key] = value
        if key == "optimizer_args":
            found |= {("recipe", f"optimizer.{name}"): argument for name, argument in value.items()}
    for group in graph.train.groups:
        rule = {k: v for k, v in vars(group).items() if k not in ("span", "name")}
        node, dot, part = (rule["node"] or "").partition(".")
        rule["node"] = f"{names.get(node, node)}{dot}{part}" if node else None
        found |= {("group", f"{group.name}.{key}"): value for key, value in rule.items()}
    return found
