"""A diff as scenes: each method with its part of the diff marked, and both in one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from graphssl.language.schedule import Schedule
from graphssl.views.describe import clipped
from graphssl.views.diff.compare import Change, Diff, NodeDiff, merged_order
from graphssl.views.diff.details import (
    ArrowDiff,
    arrow_diffs,
    attributes,
    change_words,
    op_words,
    renamed,
    rewired,
    total_words,
)
from graphssl.views.diff.sentence import sentence
from graphssl.views.diff.steps import is_steps, steps_brief
from graphssl.views.diff.values import line
from graphssl.views.scene import LANES, TOTAL, Arrow, Box, Scene, legend_of, scene

WIDE = 32
"""Characters that a line of a changed box holds."""


def diff_scenes(diff: Diff) -> tuple[Scene, Scene, Scene]:
    """`a` with what is removed or changed marked, `b` with what is added or changed, and both in one scene.

    In the last, names are `b`'s; a box that `b` lacks has its name in `a`, and ` (before)` behind it where `b` uses that name.
    """
    arrows = arrow_diffs(diff)
    return _side(diff, arrows, old=True), _side(diff, arrows, old=False), _overlay(diff, arrows)


def _notes(diff: Diff, node: NodeDiff) -> tuple[str, ...]:
    """What the mark of a box says, a line each."""
    if node.mark != "changed":
        return (node.mark,) if node.mark else ()
    renamed = [line(f"called {node.old} before")] if node.renamed else []
    op = [said] if (said := op_words(diff, node)) else []
    return (*op, *attributes(diff, node), *(f"{of}: {what}" for _, of, what in rewired(node)), *renamed)


def _marks(diff: Diff, *, old: bool) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Mark and notes by the name of a box in one of the two methods."""
    named = [(node.old if old else node.new, node) for node in diff.nodes]
    found = {name: (node.mark, _notes(diff, node)) for name, node in named if name and node.mark}
    totals = total_words(diff.a, diff.merged_names()), total_words(diff.b, {})
    return found | ({TOTAL: ("changed", (" → ".join(totals),))} if totals[0] != totals[1] else {})


def _side(diff: Diff, arrows: Iterable[ArrowDiff], *, old: bool) -> Scene:
    drawn, marks = scene(diff.a if old else diff.b), _marks(diff, old=old)
    boxes = tuple(_marked(box, *marks.get(box.name, ("", ()))) for box in drawn.boxes)
    found = [(each.old if old else each.new, each) for each in arrows]
    said = {_key(arrow): each for arrow, each in found if arrow}
    names = diff.merged_names() if old else {}
    edges = tuple(_with_mark(arrow, said[_key(renamed(arrow, names))]) for arrow in drawn.edges)
    return replace(drawn, boxes=boxes, edges=edges, legend=legend_of(boxes, edges))


def _key(arrow: Arrow) -> tuple[str, ...]:
    return arrow.source, arrow.target, arrow.port, arrow.into, arrow.kind


def _marked(box: Box, mark: str, notes: tuple[str, ...]) -> Box:
    return replace(box, mark=mark, notes=notes)


def _with_mark(arrow: Arrow, each: ArrowDiff) -> Arrow:
    return replace(arrow, mark=each.mark, notes=each.notes or ((each.mark,) if each.mark else ()))


def _overlay(diff: Diff, arrows: Iterable[ArrowDiff]) -> Scene:
    a, b, names = scene(diff.a), scene(diff.b), diff.merged_names()
    boxes = tuple(_merged_boxes(diff, a, b, names))
    edges = tuple(_with_mark(arrow, each) for each in arrows if (arrow := each.new or each.old))
    lanes = dict(a.lanes) | dict(b.lanes)
    return Scene(
        name="",
        title=line(" → ".join(diff.labels)),
        paper=sentence(diff),
        boxes=boxes,
        edges=edges,
        total=b.total,
        lanes=tuple((lane, lanes[lane]) for lane in LANES if lane in lanes),
        legend=legend_of(boxes, edges),
    )


def _merged_boxes(diff: Diff, a: Scene, b: Scene, names: Mapping[str, str]) -> Iterable[Box]:
    """`b`'s boxes with what changed written in them, and among them those of `a` alone."""
    old, new = ({box.name: box for box in drawn.boxes} for drawn in (a, b))
    before, after = _marks(diff, old=True), _marks(diff, old=False)
    for was, now in [*merged_order(diff.a, diff.b, diff.matched), (TOTAL, TOTAL)]:
        if now in new:
            yield _changed(diff, new[now], old.get(was or ""), *after.get(now, ("", ())))
        elif was in old and now is None:
            yield _removed(old[was], names, *before.get(was, ("removed", ())))
        elif was in old:
            yield _marked(old[was], "removed", ("removed",))


def _changed(diff: Diff, box: Box, old: Box | None, mark: str, notes: tuple[str, ...]) -> Box:
    """A box of `b` with the ports that only `a` uses, and what changed in place of its attributes."""
    inputs = (*box.inputs, *(port for port in (old.inputs if old else ()) if port not in box.inputs))
    lines = box.lines
    if mark == "changed" and old and box.name != TOTAL:
        node = next(node for node in diff.nodes if node.new == box.name)
        phrases = [phrase for change in node.changes if change.part == "attribute" for phrase in _brief(change)]
        what = op_words(diff, node) or box.lines[0]
        lines = (what, *_packed(phrases)) if phrases or node.change("op") else (what, *box.lines[1:])
        lines = (what,) if node.change("op") else lines
    curves = box.curves if lines == box.lines else ()
    return replace(box, inputs=inputs, mark=mark, notes=notes, lines=lines, curves=curves)


def _brief(change: Change) -> Iterable[str]:
    """What a box says of a changed attribute; its notes say it in full."""
    if is_steps(change.old) and is_steps(change.new):
        return map(line, steps_brief(change.old, change.new))
    if isinstance(change.old, Schedule) and isinstance(change.new, Schedule) and change.old.first != change.new.first:
        return [f"{line(change.key)} from {change.old.first:g} → {change.new.first:g}"]
    return change_words(change)


def _packed(phrases: list[str], lines: int = 4) -> tuple[str, ...]:
    """A phrase a line, as many as fit."""
    shown = [clipped(phrase, WIDE) for phrase in phrases]
    return (*shown[: lines - 1], f"and {len(shown) - lines + 1} more") if len(shown) > lines else tuple(shown)


def _removed(box: Box, names: Mapping[str, str], mark: str, notes: tuple[str, ...]) -> Box:
    module = names.get(box.module, box.module) if box.module else None
    lines = (_relinked(box.lines[0], names), *box.lines[1:]) if box.lines else ()
    return replace(box, name=names[box.name], module=module, lines=lines, mark=mark, notes=notes)


def _relinked(what: str, names: Mapping[str, str]) -> str:
    """`EMA of f` with the name that f has here."""
    front, space, last = what.rpartition(" ")
    return f"{front}{space}{names.get(last, last)}" if space else what
