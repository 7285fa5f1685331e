"""How high everything stands: lanes one above the other, chains straight, branches symmetrical."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from graphssl.views.layers import BANDS, Layers, Net, Segment, Vertex
from graphssl.views.measure import Content, content, momentum_room
from graphssl.views.scene import Arrow, Scene

STRIP = 20
"""Room above a copy for its momentum."""

BETWEEN = 56
"""Room between lanes, for their margins and names."""


@dataclass(frozen=True)
class Body:
    """What a vertex needs: its text, its extent above and below its middle, and where edges attach, from its middle.

    inputs: by (input port, net). outputs: by net.
    """

    up: int
    down: int
    inputs: Mapping[tuple[str, Net], int]
    outputs: Mapping[Net, int]
    content: Content | None = None


def bodies(scene: Scene, found: Layers) -> dict[Vertex, Body]:
    """The body of every vertex."""
    order = {vertex: i for column in found.columns for i, vertex in enumerate(column)}
    links = {arrow.target: arrow for arrow in scene.edges if arrow.number and arrow.kind == "ema"}
    around: dict[str, list[Arrow]] = {}
    for i in found.around:
        arrow = scene.edges[i]
        around.setdefault(arrow.target, []).append(arrow)
        around.setdefault(arrow.source, []).append(arrow)
    return {v: _body(v, order, links, around) for column in found.columns for v in column}


def net_of(arrow: Arrow) -> Net:
    """The net that a led-around edge leaves by."""
    return Net(arrow.source, arrow.target, "link") if arrow.kind in ("ema", "copy") else Net(arrow.source, arrow.port)


def _body(
    vertex: Vertex, order: Mapping[Vertex, int], links: Mapping[str, Arrow], around: Mapping[str, list[Arrow]]
) -> Body:
    if vertex.box is None:
        half = 17 if vertex.join else 4
        return Body(half, half, {}, {})
    box = vertex.box
    behind = around.get(box.name, [])
    arriving: dict[tuple[str, Net], float] = {(s.into, s.net): order[s.start] for s in vertex.left}
    arriving |= {(a.into, net_of(a)): 1e9 for a in behind if a.target == box.name}
    leaving: dict[Net, list[float]] = {}
    for segment in vertex.right:
        leaving.setdefault(segment.net, []).append(order[segment.end])
    for arrow in behind:
        if arrow.source == box.name:
            leaving.setdefault(net_of(arrow), []).append(1e9)
    ports: dict[str, list[float]] = {}
    for (into, _), at in arriving.items():
        ports.setdefault(into, []).append(at)
    ins = sorted(arriving, key=lambda k: (_mean(ports[k[0]]), arriving[k]))
    outs = sorted(leaving, key=lambda net: _mean(leaving[net]))
    above = momentum_room(links[box.name])[1] if box.name in links else 0
    room = content(box, len(ins), len(outs), above)
    strip = STRIP if above else 0
    return Body(
        room.height // 2 + strip,
        room.height // 2,
        {key: round((i - (len(ins) - 1) / 2) * 18) for i, key in enumerate(ins)},
        {net: round((i - (len(outs) - 1) / 2) * 36) for i, net in enumerate(outs)},
        room,
    )


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def heights(found: Layers, sizes: Mapping[Vertex, Body]) -> tuple[dict[Vertex, int], dict[str, tuple[int, int]]]:
    """The middle of every vertex, and top and bottom of every lane."""
    placing = _Placing(found, sizes)
    spans = placing.lanes()
    placing.free()
    return {vertex: round(y) for vertex, y in placing.y.items()}, spans


class _Placing:
    def __init__(self, found: Layers, sizes: Mapping[Vertex, Body]):
        self.columns, self.sizes = found.columns, sizes
        self.y: dict[Vertex, float] = {}
        self.compact: dict[Vertex, float] = {}

    def lanes(self) -> dict[str, tuple[int, int]]:
        """Place each lane by itself, then one above the other."""
        spans: dict[str, tuple[int, int]] = {}
        cursor = 0.0
        for lane in BANDS:
            columns = [[v for v in column if v.lane == lane] for column in self.columns]
            columns = [column for column in columns if column]
            if not columns:
                continue
            for column in columns:
                self.stack(column)
            self.compact = dict(self.y)
            for _ in range(8):
                for column in columns:
                    self.settle(column, lambda v: self.wish(v, left=True, right=False))
                for column in reversed(columns):
                    self.settle(column, lambda v: self.wish(v, left=False, right=True))
            for column in columns:
                self.settle(column, self.straight)
            members = [v for column in columns for v in column]
            low = min(self.y[v] - self.sizes[v].up for v in members)
            for v in members:
                self.y[v] = round(self.y[v] - low + cursor)
            high = max(self.y[v] + self.sizes[v].down for v in members)
            spans[lane] = (round(cursor), round(high))
            cursor = high + (BETWEEN if lane != "top" else BETWEEN - 16)
        return spans

    def free(self) -> None:
        """Place the columns that have no lanes between their neighbours, the nearest to the lanes first."""
        laned = [i for i, column in enumerate(self.columns) if any(v.lane for v in column)]
        free = [i for i, column in enumerate(self.columns) if column and not any(v.lane for v in column)]
        if not laned:
            for i in free:
                self.stack(self.columns[i])
        free.sort(key=lambda i: (min((abs(i - j) for j in laned), default=0), i))
        for _ in range(4):
            for i in free:
                self.settle(self.columns[i], lambda v: self.wish(v, left=True, right=True))

    def stack(self, column: list[Vertex]) -> None:
        y = 0.0
        for above, vertex in zip([None, *column], column, strict=False):
            y += self.apart(above, vertex) if above else 0
            self.y[vertex] = y
        middle = (self.y[column[0]] + y) / 2
        for vertex in column:
            self.y[vertex] -= middle

    def apart(self, above: Vertex, below: Vertex) -> float:
        thin = above.passing + below.passing
        return self.sizes[above].down + self.sizes[below].up + (28, 16, 8)[thin]

    def offset(self, segment: Segment) -> float:
        """How much lower the end's middle is than the start's when the stretch is level."""
        start, end = self.sizes[segment.start], self.sizes[segment.end]
        return start.outputs.get(segment.net, 0) - end.inputs.get((segment.into, segment.net), 0)

    def wish(self, vertex: Vertex, *, left: bool, right: bool) -> tuple[float, float]:
        """Where a vertex would stand for level edges, and how strongly it wants to."""
        lane = vertex.lane
        wishes = [self.y[s.start] + self.offset(s) for s in vertex.left if left and self.near(s.start, lane)]
        wishes += [self.y[s.end] - self.offset(s) for s in vertex.right if right and self.near(s.end, lane)]
        if not wishes:
            return self.compact.get(vertex, self.y.get(vertex, 0.0)), 0.01
        wishes += [wishes[0]] * 7 + [self.compact[vertex]] if lane and len(wishes) == 1 else []
        return sum(wishes) / len(wishes), 2.0 if vertex.passing else 1.0

    def near(self, other: Vertex, lane: str | None) -> bool:
        return other in self.y and (lane is None or other.lane == lane)

    def straight(self, vertex: Vertex) -> tuple[float, float]:
        """Exactly level with what it mainly continues: a box with the box before it, a passing edge with itself."""
        before = [s for s in vertex.left if self.near(s.start, vertex.lane)]
        if not before:
            return self.wish(vertex, left=False, right=True)
        main = min(before, key=lambda s: (s.start.passing, -len(s.arrows)))
        if vertex.passing:
            strength = 1e3 if main.start.passing else 1.0
        else:
            strength = 1.0 if main.start.passing else 1e6
        same = [s for s in before if s.start.passing == main.start.passing]
        return sum(self.y[s.start] + self.offset(s) for s in same) / len(same), strength

    def settle(self, column: list[Vertex], wish: Callable[[Vertex], tuple[float, float]]) -> None:
        """Heights nearest to the wishes that keep order and distance (weighted isotonic regression)."""
        gaps = [0.0]
        for above, below in itertools.pairwise(column):
            gaps.append(gaps[-1] + self.apart(above, below))
        blocks: list[tuple[float, float, int]] = []
        for vertex, gap in zip(column, gaps, strict=True):
            want, weight = wish(vertex)
            block = (want - gap, weight, 1)
            while blocks and blocks[-1][0] >= block[0]:
                at, strength, count = blocks.pop()
                total = strength + block[1]
                block = ((at * strength + block[0] * block[1]) / total, total, count + block[2])
            blocks.append(block)
        levels = [at for at, _, count in blocks for _ in range(count)]
        for vertex, gap, level in zip(column, gaps, levels, strict=True):
            self.y[vertex] = level + gap
