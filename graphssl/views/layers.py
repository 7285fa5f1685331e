"""Columns of boxes and of the places where long edges pass them, ordered so that few edges cross."""

from __future__ import annotations

import itertools
from bisect import bisect_right, insort
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from graphssl.views.ranks import LINKS, Join, Ranks
from graphssl.views.scene import Box, Scene

BANDS = ("top", "student", "teacher", "state")
"""Lanes from top to bottom; `top` is for what has no lane of its own but stands between them."""


@dataclass(eq=False)
class Vertex:
    """A box, a join of a list, or the place where an edge passes a column (neither).

    lane: one of BANDS, or None in a column where height is free. left, right: stretches that arrive and leave.
    """

    column: int
    lane: str | None
    box: Box | None = None
    join: Join | None = None
    left: list[Segment] = field(default_factory=list)
    right: list[Segment] = field(default_factory=list)

    @property
    def passing(self) -> bool:
        return self.box is None and self.join is None


@dataclass(frozen=True)
class Net:
    """All edges that leave one port (or one join) together."""

    source: str
    port: str
    kind: str = "flow"


@dataclass(eq=False)
class Segment:
    """A stretch of a net between neighbouring columns. arrows: indices of the edges it carries."""

    net: Net
    start: Vertex
    end: Vertex
    into: str
    arrows: list[int]


@dataclass(frozen=True)
class Layers:
    """columns: vertices from top to bottom. vertical: edges between copies in one column. around: those led back."""

    columns: list[list[Vertex]]
    segments: list[Segment]
    vertical: list[int]
    around: list[int]
    at: Mapping[str, Vertex]


def layers(scene: Scene, placed: Ranks) -> Layers:
    """The columns of `scene`, ordered."""
    builder = _Builder(scene, placed)
    builder.edges()
    columns = ordered(builder.columns)
    return Layers(columns, builder.segments, builder.vertical, builder.around, builder.at)


class _Builder:
    def __init__(self, scene: Scene, placed: Ranks):
        self.scene, self.placed = scene, placed
        count = max(placed.columns.values(), default=-1) + 1
        laned = {placed.columns[box.name] for box in scene.boxes if box.lane in BANDS}
        self.free = set(range(count)) - laned
        self.columns: list[list[Vertex]] = [[] for _ in range(count)]
        self.at: dict[str, Vertex] = {}
        self.segments: list[Segment] = []
        self.vertical: list[int] = []
        self.around: list[int] = []
        self.passing: dict[tuple[Net, int], Vertex] = {}
        self.found: dict[tuple[int, int, str, Net], Segment] = {}
        for box in scene.boxes:
            self.at[box.name] = self.vertex(placed.columns[box.name], box.lane, box=box)
        lanes = {box.name: box.lane for box in scene.boxes}
        for join in placed.joins:
            lane = next((lane for lane in BANDS if lane in {lanes[box] for box, _ in join.takers}), "top")
            self.at[join.name] = self.vertex(placed.columns[join.name], lane, join=join)

    def vertex(self, column: int, lane: str, box: Box | None = None, join: Join | None = None) -> Vertex:
        known = lane if lane in BANDS else "top"
        vertex = Vertex(column, None if column in self.free else known, box, join)
        self.columns[column].append(vertex)
        return vertex

    def edges(self) -> None:
        by_taker = {taker: join for join in self.placed.joins for taker in join.takers}
        reach = self.farthest_lanes()
        for i, arrow in enumerate(self.scene.edges):
            start, end = self.at[arrow.source], self.at[arrow.target]
            join = by_taker.get((arrow.target, arrow.into)) if arrow.kind not in (*LINKS, "write") else None
            if arrow.kind in LINKS and start.column == end.column and start is not end:
                self.vertical.append(i)
            elif arrow.kind == "share" or start is end:
                continue
            elif i in self.placed.backward:
                self.around.append(i)
            elif join:
                self.chain(Net(arrow.source, arrow.port), start, self.at[join.name], "", i, reach)
                self.chain(Net(join.name, ""), self.at[join.name], end, arrow.into, i, reach)
            else:
                link = arrow.kind in LINKS
                net = Net(arrow.source, arrow.target, "link") if link else Net(arrow.source, arrow.port)
                self.chain(net, start, end, arrow.into, i, reach)

    def farthest_lanes(self) -> dict[str, str]:
        """In which lane the long edges of each source or join run: that of the farthest box which has one."""
        found: dict[str, tuple[int, str]] = {}
        for arrow in self.scene.edges:
            end = self.at[arrow.target]
            if end.box and end.box.lane in BANDS:
                found[arrow.source] = max(found.get(arrow.source, (-1, "")), (end.column, end.box.lane))
        return {name: lane for name, (_, lane) in found.items()}

    def chain(self, net: Net, start: Vertex, end: Vertex, into: str, arrow: int, reach: Mapping[str, str]) -> None:
        """Lead an edge through the columns between its ends; edges of one net share their way."""
        current = start
        for column in range(start.column + 1, end.column):
            passing = self.passing.get((net, column))
            if passing is None:
                lane = start.box.lane if start.box else start.lane or "top"
                lane = lane if lane in BANDS else reach.get(net.source, "top")
                passing = self.passing[net, column] = self.vertex(column, lane)
            self.segment(net, current, passing, "", arrow)
            current = passing
        self.segment(net, current, end, into, arrow)

    def segment(self, net: Net, start: Vertex, end: Vertex, into: str, arrow: int) -> None:
        key = (id(start), id(end), into, net)
        segment = self.found.get(key)
        if segment is None:
            segment = self.found[key] = Segment(net, start, end, into, [])
            self.segments.append(segment)
            start.right.append(segment)
            end.left.append(segment)
        if arrow not in segment.arrows:
            segment.arrows.append(arrow)


def ordered(columns: list[list[Vertex]]) -> list[list[Vertex]]:
    """Every column in the order, of those tried, with the fewest crossings; lanes stay apart."""
    starts: list[Callable[[Vertex], object]] = [
        _band,
        lambda v: (_band(v), not v.passing),
        lambda v: (_band(v), v.passing),
    ]
    small = sum(map(len, columns)) < 1000
    tried = [_swept([sorted(column, key=start) for column in columns], 12 if small else 4) for start in starts]  # type: ignore[arg-type]
    return min(tried, key=_crossings)


def _swept(columns: list[list[Vertex]], rounds: int) -> list[list[Vertex]]:
    """The best of several sweeps to and fro, each column sorted by the mean place of its neighbours."""
    best, fewest = [list(column) for column in columns], _crossings(columns)
    for turn in range(rounds):
        forward = turn % 2 == 0
        rank = {id(v): (k + 0.5) / len(column) for column in columns for k, v in enumerate(column)}
        for i in range(len(columns)) if forward else reversed(range(len(columns))):
            columns[i] = _sorted(columns[i], rank, forward, both=turn >= rounds - 2)
            rank |= {id(v): (k + 0.5) / len(columns[i]) for k, v in enumerate(columns[i])}
        crossings = _crossings(columns)
        if crossings < fewest:
            best, fewest = [list(column) for column in columns], crossings
        if fewest == 0:
            break
    return best


def _band(vertex: Vertex) -> int:
    return BANDS.index(vertex.lane) if vertex.lane else 0


def _sorted(column: list[Vertex], rank: Mapping[int, float], forward: bool, both: bool) -> list[Vertex]:
    def key(vertex: Vertex) -> tuple[int, float]:
        left = [rank[id(s.start)] for s in vertex.left]
        right = [rank[id(s.end)] for s in vertex.right]
        near = left + right if both else (left if forward else right)
        return _band(vertex), sum(near) / len(near) if near else rank[id(vertex)]

    return sorted(column, key=key)


def _crossings(columns: list[list[Vertex]]) -> int:
    total = 0
    for left, right in itertools.pairwise(columns):
        place = {id(v): k for k, v in enumerate(right)}
        seen: list[int] = []
        for vertex in left:
            ends = [place[id(s.end)] for s in vertex.right]
            total += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return total
