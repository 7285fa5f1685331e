"""A scene with the nodes of some blocks drawn as one box each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from graphssl.views.describe import packed
from graphssl.views.scene import Arrow, Badge, Box, Number, Scene, gravest, legend_of

_EVERY_COMBINATION = 3
"""Up to this many blocks, a page holds a drawing for every choice of those that are collapsed."""


_EACH_ALONE = 12
"""Up to this many, one for each that is collapsed alone."""


def groups_of(scene: Scene) -> tuple[str, ...]:
    """Names of the blocks, in drawing order."""
    return tuple(dict.fromkeys(box.group for box in scene.boxes if box.group))


def foldings(groups: Sequence[str]) -> list[tuple[str, ...]]:
    """Which blocks to collapse together: every choice of few blocks, of more none, each alone, and all, of many none and all."""
    if len(groups) > _EACH_ALONE:
        return [(), tuple(groups)]
    if len(groups) > _EVERY_COMBINATION:
        return [(), *((group,) for group in groups), tuple(groups)]
    return [chosen for count in range(len(groups) + 1) for chosen in combinations(groups, count)]


def collapsed(scene: Scene, groups: Collection[str]) -> Scene:
    """`scene` with all nodes of each block in `groups` as one box of kind `block`; edges inside it are gone."""
    members: dict[str, list[Box]] = {}
    for box in scene.boxes:
        if box.group in groups:
            members.setdefault(box.group or "", []).append(box)
    inside = {box.name: group for group, found in members.items() for box in found}
    drawn = dict.fromkeys(inside.get(box.name, box.name) for box in scene.boxes)
    boxes = tuple(_block(name, members[name]) if name in members else scene.box(name) for name in drawn)
    edges = tuple(_edges(scene.edges, inside))
    lanes = tuple((lane, text) for lane, text in scene.lanes if lane in {box.lane for box in boxes})
    return replace(scene, boxes=boxes, edges=edges, lanes=lanes, legend=legend_of(boxes, edges))


def origin(edge: Arrow, groups: Collection[str]) -> str:
    """The node that an edge comes from where `groups` are collapsed; the port of a block begins with it."""
    return edge.port.partition(" ")[0] if edge.source in groups else edge.source


def _block(name: str, members: Sequence[Box]) -> Box:
    """The box of a block: how many nodes it has and their ops; it stands in the lane that most of them stand in."""
    lanes = Counter(box.lane for box in reversed(members))
    ops = list(dict.fromkeys(box.op for box in members))
    count = f"{len(members)} node{'s' * (len(members) > 1)}"
    mark, notes = _marks(members)
    return Box(
        name=name,
        op="block",
        kind="block",
        lane=lanes.most_common(1)[0][0],
        lines=(f"block of {count}", *packed(ops, 2)),
        attributes=(("nodes", ", ".join(box.name for box in members)), ("ops", ", ".join(ops))),
        inputs=(),
        badges=_badges(members),
        doc=f"A block of {count}.",
        place=members[0].place,
        stops_gradient=any(box.stops_gradient for box in members),
        broken=any(box.broken for box in members),
        mark=mark,
        notes=notes,
    )


def _marks(members: Sequence[Box]) -> tuple[str, tuple[str, ...]]:
    """The mark that all nodes share, the graver of two findings, or `changed`; and what the marks are about."""
    marks = {box.mark for box in members}
    notes = tuple(f"{box.name}: {note}" for box in members if box.mark for note in box.notes or (box.mark,))
    return gravest(marks) or (marks.pop() if len(marks) == 1 else "changed"), notes


def _badges(members: Sequence[Box]) -> tuple[Badge, ...]:
    """The badges of all nodes, each once; many monitors as their number."""
    found = list(dict.fromkeys(badge for box in members for badge in box.badges))
    monitors = [badge for badge in found if badge.kind == "monitor"]
    if len(monitors) < 3:
        return tuple(found)
    return (*(b for b in found if b.kind != "monitor"), Badge("monitor", f"{len(monitors)} monitors"))


def _edges(edges: Iterable[Arrow], inside: Mapping[str, str]) -> list[Arrow]:
    """Edges between boxes that are left. Of several that leave one port for one block, the one with most to say."""
    found: dict[tuple[str, str, str, str], Arrow] = {}
    for edge in edges:
        moved = _moved(edge, inside)
        if moved.source == moved.target != edge.target:
            continue
        flow = "flow" if edge.kind in ("gradient", "data") else edge.kind
        into = "" if edge.target in inside else edge.into
        port = "" if edge.kind in ("ema", "copy", "share") else moved.port
        key = (moved.source, port, moved.target, f"{flow} {into}")
        if key not in found or _weight(moved) > _weight(found[key]):
            found[key] = replace(moved, into=found[key].into) if key in found else moved
    return _one_momentum(list(found.values()), list(edges), inside)


def _weight(edge: Arrow) -> int:
    return 2 * (edge.kind == "gradient") + edge.stops


def _moved(edge: Arrow, inside: Mapping[str, str]) -> Arrow:
    """The edge between the boxes that are drawn. A port of a block is named after the node inside it."""
    if edge.source in inside:
        edge = replace(edge, source=inside[edge.source], port=f"{edge.source} {edge.port}".strip())
    if edge.target in inside:
        edge = replace(edge, target=inside[edge.target], into=f"{edge.target} {edge.into}".strip())
    return edge


def _one_momentum(found: list[Arrow], edges: list[Arrow], inside: Mapping[str, str]) -> list[Arrow]:
    """The same edges, where several momenta that arrive at one block are written once, together."""
    momenta: dict[str, list[Number]] = {}
    for edge in edges:
        outer = inside.get(edge.source) != inside.get(edge.target)
        if edge.kind == "ema" and edge.number and edge.target in inside and outer:
            momenta.setdefault(inside[edge.target], []).append(edge.number)
    for i, edge in enumerate(found):
        if edge.kind == "ema" and edge.number and edge.target in momenta:
            known = momenta.pop(edge.target)
            found[i] = replace(edge, number=known[0] if len(set(known)) == 1 else _together(known))
        elif edge.kind == "ema" and edge.number and edge.target in set(inside.values()):
            found[i] = replace(edge, number=None)
    return found


def _together(numbers: Sequence[Number]) -> Number:
    """All of them as one, each once."""
    text = ", ".join(dict.fromkeys(number.text for number in numbers))
    return Number(text, ", ".join(dict.fromkeys(number.short for number in numbers)))
