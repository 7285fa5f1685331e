"""What each difference of a node says, in a few words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from graphssl.checks.flow import learning
from graphssl.ir.dump import shown
from graphssl.ir.graph import Graph, Node
from graphssl.language.fields import REQUIRED
from graphssl.views.diff.compare import ABSENT, Change, Diff, NodeDiff, mark_of
from graphssl.views.diff.steps import is_steps, steps_changes
from graphssl.views.diff.values import arrow, entries, line, value_words
from graphssl.views.scene import TOTAL, Arrow, Scene, scene

Row = tuple[str, str, str]
"""Sign (`+`, `−`, `~`), what it is of, and what differs."""


def described(node: Node) -> str:
    """`ema of g, momentum 0.999, in ft`: a node that is in one method only."""
    what = f"{node.op.name} of {node.of}" if node.of else node.op.name
    given = [
        f"{key} {value_words(v)}" for key, v in node.attrs.items() if not is_steps(v) and not _default(node, key, v)
    ]
    inputs = [sources(tuple(map(str, refs))) for refs in node.inputs.values()]
    return line(", ".join([what, *given, *([f"in {', '.join(inputs)}"] if inputs else [])]))


def _default(node: Node, key: str, value: Any) -> bool:
    declared = node.op.attrs.get(key) or node.signature.attrs.get(key)
    if value is None or (node.of and key not in node.op.attrs and key not in node.signature.attrs):
        return value is None
    return declared is not None and declared.default is not REQUIRED and shown(declared.default) == shown(value)


def sources(refs: Any) -> str:
    """What arrives at an input: `f`, or `[v1, v2]`."""
    if refs is ABSENT:
        return "nothing"
    return line(refs[0]) if len(refs) == 1 else f"[{', '.join(map(line, refs))}]"


def op_words(diff: Diff, node: NodeDiff) -> str:
    """`ema of g → stop_grad of …`, or nothing where op and link are the same."""
    if not any(change.part in ("op", "of") for change in node.changes):
        return ""
    assert node.old and node.new
    names = diff.merged_names()
    old, new = diff.a.nodes[node.old], diff.b.nodes[node.new]
    was = f"{old.op.name} of {names.get(old.of.node, old.of.node)}" if old.of else old.op.name
    now = f"{new.op.name} of {new.of.node}" if new.of else new.op.name
    return line(f"{was} → {now}")


def attributes(diff: Diff, node: NodeDiff) -> list[str]:
    """Changed attributes, a phrase each; where the op itself differs, what the new one has beside its defaults."""
    new = diff.b.nodes[node.new or ""]
    changes = [change for change in node.changes if change.part == "attribute"]
    if node.change("op"):
        return [phrase for change in changes for phrase in _of_new_op(new, change)]
    return [phrase for change in changes for phrase in change_words(change)]


def _of_new_op(node: Node, change: Change) -> Iterator[str]:
    gone = change.new is ABSENT
    if gone or (change.old is ABSENT and _default(node, change.key, change.new)):
        return
    yield from change_words(change)


def change_words(change: Change) -> Iterator[str]:
    """A phrase for a changed attribute or field; for augmentation steps, one for each step that differs."""
    name = line(change.key)
    if is_steps(change.old) and is_steps(change.new):
        yield from map(line, steps_changes(change.old, change.new))
    elif is_steps(change.old) or is_steps(change.new):
        yield f"{name} {'removed' if change.new in (ABSENT, None) else 'set'}"
    elif change.old is ABSENT:
        yield f"{name} {value_words(change.new)}"
    elif change.new is ABSENT:
        yield f"no {name} (was {value_words(change.old)})"
    elif isinstance(change.old, dict) and isinstance(change.new, dict):
        yield from (f"{name}.{line(key)} {said}" for key, said in entries(change.old, change.new))
    else:
        yield f"{name} {arrow(change.old, change.new)}"


def rewired(node: NodeDiff) -> Iterator[Row]:
    """Inputs that come from elsewhere; ports of another op have other names, so that they are told together."""
    inputs = [change for change in node.changes if change.part == "input"]
    name = line(node.new or "")
    others = any(ABSENT in (change.old, change.new) for change in inputs)
    if node.change("op") and others:
        old = ", ".join(f"{c.key} {sources(c.old)}" for c in inputs if c.old is not ABSENT)
        new = ", ".join(f"{c.key} {sources(c.new)}" for c in inputs if c.new is not ABSENT)
        if [c.old for c in inputs if c.old is not ABSENT] != [c.new for c in inputs if c.new is not ABSENT]:
            yield "~", name, f"{line(old) or 'nothing'} → {line(new) or 'nothing'}"
        return
    for change in inputs:
        port = f"{name}.{line(change.key)}"
        if change.old is ABSENT:
            yield "+", port, f"takes {sources(change.new)}"
        elif change.new is ABSENT:
            yield "−", port, f"took {sources(change.old)}"
        else:
            yield "~", port, f"{sources(change.old)} → {sources(change.new)}"


@dataclass(frozen=True)
class ArrowDiff:
    """An edge of one method or of both, with ends named as in the second; old, new: None where it is not in it."""

    old: Arrow | None
    new: Arrow | None

    @property
    def mark(self) -> str:
        return mark_of(self.old, self.new, bool(self.notes))

    @property
    def notes(self) -> tuple[str, ...]:
        """What differs of an edge that both have: whether gradient flows, and its number."""
        if self.old is None or self.new is None:
            return ()
        found = []
        flow = _flow(self.old), _flow(self.new)
        if flow[0] != flow[1]:
            found.append(" → ".join(flow))
        texts = [arrow.number.text if arrow.number else "none" for arrow in (self.old, self.new)]
        if texts[0] != texts[1]:
            found.append(f"{'momentum' if self.new.kind == 'ema' else 'weight'} {texts[0]} → {texts[1]}")
        return tuple(found)


def _flow(arrow: Arrow) -> str:
    if arrow.stops:
        return "gradient stops"
    return {"gradient": "gradient flows", "data": "no gradient", "write": "stored"}.get(arrow.kind, arrow.kind)


def arrow_diffs(diff: Diff) -> list[ArrowDiff]:
    """Every edge of the two drawings, paired by what it joins."""
    old, new = _keyed(scene(diff.a), diff.merged_names()), _keyed(scene(diff.b), {})
    return [ArrowDiff(old.get(key), arrow) for key, arrow in new.items()] + [
        ArrowDiff(arrow, None) for key, arrow in old.items() if key not in new
    ]


def _keyed(drawn: Scene, names: Mapping[str, str]) -> dict[tuple[Any, ...], Arrow]:
    found: dict[tuple[Any, ...], Arrow] = {}
    for each in drawn.edges:
        arrow = renamed(each, names)
        link = arrow.kind if arrow.kind in ("ema", "copy", "share") else ""
        key = (arrow.source, arrow.target, arrow.port, arrow.into, link)
        again = 0
        while (*key, again) in found:
            again += 1
        found[(*key, again)] = arrow
    return found


def renamed(arrow: Arrow, names: Mapping[str, str]) -> Arrow:
    """The edge between nodes of other names; into the total, a loss arrives at a port of its own name."""
    source, target, into = (names.get(name, name) for name in (arrow.source, arrow.target, arrow.into))
    return replace(arrow, source=source, target=target, into=into if target == TOTAL else arrow.into)


def total_words(graph: Graph, names: Mapping[str, str]) -> str:
    """The sum of the losses: `loss + 0.1 · koleo`."""
    return " + ".join(_term(node, names) for node in learning(graph))


def _term(node: Node, names: Mapping[str, str]) -> str:
    weight, name = value_words(node.attrs.get("weight", 1.0)), line(names.get(node.name, node.name))
    return name if weight == "1" else f"({weight}) · {name}" if " " in weight else f"{weight} · {name}"
