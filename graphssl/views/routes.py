"""Where columns, edges and labels run, given the height of everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphssl.views.figure import Band, Label, Path, Placed, Spark, Stroke
from graphssl.views.heights import STRIP, Body, net_of
from graphssl.views.layers import Layers, Net, Segment, Vertex
from graphssl.views.measure import SMALL, joined, momentum_room, shape_label, text_width
from graphssl.views.ranks import LINKS
from graphssl.views.scene import TOTAL, Scene

Point = tuple[float, float]

LEVEL = 2
"""Pixels that an edge may arrive beside its port rather than bend."""


class Routes:
    """Fills `boxes`, `strokes`, `labels`, `bands`, `dots` and `sparks`; x begins at 0, y as given."""

    def __init__(
        self,
        scene: Scene,
        found: Layers,
        sizes: Mapping[Vertex, Body],
        ys: Mapping[Vertex, int],
        spans: Mapping[str, tuple[int, int]],
    ):
        self.scene, self.found, self.sizes, self.ys, self.spans = scene, found, sizes, ys, spans
        self.boxes: list[Placed] = []
        self.strokes: list[Stroke] = []
        self.labels: list[Label] = []
        self.bands: list[Band] = []
        self.dots: list[Point] = []
        self.sparks: list[Spark] = []
        self.place: dict[Vertex, Placed] = {}
        columns = range(len(found.columns))
        self.brackets: dict[int, list[int]] = {c: [] for c in columns}
        self.widths = {c: self.column_width(c) for c in columns}
        self.around = {c: [i for i in found.around if self.at(i)[0].column == c] for c in columns}
        self.back = {c: [i for i in found.around if self.at(i)[1].column == c] for c in columns}
        self.text: dict[tuple[Vertex, Net], tuple[str, str]] = {}

    def run(self) -> None:
        self.find_brackets()
        self.find_texts()
        self.set_columns()
        self.place_boxes()
        self.lead_nets()
        self.lead_around()
        self.lead_vertical()
        self.write_labels()
        self.draw_bands()
        self.right = self.ends
        self.top = min([p.y - STRIP for p in self.boxes] + [b.y for b in self.bands] + [0.0])
        self.bottom = max(
            [p.y + p.height for p in self.boxes] + [b.y + b.height for b in self.bands] + [self.deepest, 0.0]
        )

    def at(self, edge: int) -> tuple[Vertex, Vertex]:
        arrow = self.scene.edges[edge]
        return self.found.at[arrow.source], self.found.at[arrow.target]

    # columns

    def column_width(self, column: int) -> int:
        contents = [self.sizes[v].content for v in self.found.columns[column]]
        return max((c.width for c in contents if c), default=0)

    def find_brackets(self) -> None:
        """Links in one column that cannot run straight because something stands between."""
        for i in self.found.vertical:
            start, end = self.at(i)
            column = self.found.columns[start.column]
            low, high = sorted((column.index(start), column.index(end)))
            if any(not v.passing for v in column[low + 1 : high]):
                self.brackets[start.column].append(i)

    def find_texts(self) -> None:
        """The text over each edge: what flows, once where it leaves."""
        joins = {name for name, vertex in self.found.at.items() if vertex.join}
        flows: dict[tuple[Vertex, Net], list[int]] = {}
        whole: dict[tuple[Vertex, Net], list[bool]] = {}
        for segment in self.found.segments:
            if segment.net.kind != "flow" or segment.start.passing:
                continue
            flows.setdefault((segment.start, segment.net), []).extend(segment.arrows)
            whole.setdefault((segment.start, segment.net), []).append(segment.end.join is not None)
        for i in self.found.around:
            if self.scene.edges[i].kind not in LINKS:
                flows.setdefault((self.at(i)[0], net_of(self.scene.edges[i])), []).append(i)
        for (vertex, net), arrows in flows.items():
            arrow = self.scene.edges[arrows[0]]
            if arrow.target == TOTAL:
                text = "" if arrow.number is None or arrow.number.text == "1" else f"× {arrow.number.short}"
                self.text[vertex, net] = (text, "")
            elif net.source in joins and vertex.join:
                box, into = vertex.join.takers[0]
                parts = [a for a in self.scene.edges if (a.target, a.into) == (box, into)]
                self.text[vertex, net] = shape_label(joined([s for a in parts for s in a.shapes]))
            elif not all(whole.get((vertex, net), [False])):
                self.text[vertex, net] = shape_label(arrow.shapes)

    def set_columns(self) -> None:
        """x of each column, and between columns where labels begin and curves begin and end."""
        count = len(self.found.columns)
        self.x: dict[int, float] = {}
        self.labels_at: dict[int, float] = {}
        self.curves: dict[int, tuple[float, float]] = {}
        first_back = 8 * len(self.back.get(0, ()))
        x = float(first_back + 22) if first_back else 0.0
        self.curves[-1] = (0.0, float(first_back + 4))
        for c in range(count):
            self.x[c] = x
            x += self.widths[c]
            x += 8 + 7 * len(self.brackets[c]) if self.brackets[c] else 0
            self.labels_at[c] = x + 7
            widest = max(
                (text_width(t, SMALL) for (v, _), pair in self.text.items() if v.column == c for t in pair), default=0
            )
            x += widest + 14 if widest else 8
            last = c == count - 1
            if last and not self.around[c]:
                x -= 0 if widest else 8
                self.curves[c] = (x, x)
                break
            steep = max((abs(self.drop(s)) for s in self.between(c)), default=0)
            tracks = 8 * (len(self.around[c]) + len(self.back.get(c + 1, ())))
            room = max(min(90, 0.42 * steep) if steep > 1 else 6, 22 if steep > 1 else 6, tracks + 8 if tracks else 0)
            self.curves[c] = (x, x + round(room))
            x += round(room)
            if not last:
                heads = [s for s in self.between(c) if s.end.box] or self.back.get(c + 1)
                stops = any(self.scene.edges[i].stops for s in self.between(c) if s.end.box for i in s.arrows)
                stops = stops or any(self.scene.edges[i].stops for i in self.back.get(c + 1, ()))
                x += (26 if stops else 16) if heads else 2
        self.ends = x

    def between(self, column: int) -> list[Segment]:
        return [s for v in self.found.columns[column] for s in v.right]

    def drop(self, segment: Segment) -> float:
        return self.arrives(segment) - self.leaves(segment.start, segment.net)

    def leaves(self, vertex: Vertex, net: Net) -> float:
        return self.ys[vertex] + self.sizes[vertex].outputs.get(net, 0)

    def arrives(self, segment: Segment) -> float:
        return self.ys[segment.end] + self.sizes[segment.end].inputs.get((segment.into, segment.net), 0)

    def place_boxes(self) -> None:
        for c, column in enumerate(self.found.columns):
            for vertex in column:
                room = self.sizes[vertex].content
                if vertex.box is None or room is None:
                    continue
                natural = vertex.box.kind in ("pure", "total") or vertex.lane == "top"
                wide = room.width if natural else self.widths[c]
                x = self.x[c] + (self.widths[c] - wide) / 2
                y = self.ys[vertex] - room.height / 2
                heights: dict[str, list[int]] = {}
                for (into, _), offset in self.sizes[vertex].inputs.items():
                    heights.setdefault(into, []).append(self.ys[vertex] + offset)
                named = room.ports and vertex.box.kind != "total"
                ports = [(into, sum(at) / len(at)) for into, at in heights.items()] if named else []
                placed = Placed(vertex.box, room, x, y, wide, room.height, tuple(ports))
                self.place[vertex] = placed
        self.boxes = [self.place[self.found.at[box.name]] for box in self.scene.boxes]

    # edges

    def side(self, vertex: Vertex, right: bool) -> float:
        """x where edges touch a vertex."""
        if placed := self.place.get(vertex):
            return placed.x + (placed.width if right else 0)
        inside = self.widths[vertex.column]
        return self.x[vertex.column] + (min(4, inside / 2) if vertex.join else inside / 2)

    def lead_nets(self) -> None:
        """Every net from where it leaves: one stroke up to each fork, then one for each way."""
        for column in self.found.columns:
            for vertex in column:
                if vertex.passing:
                    continue
                for net in dict.fromkeys(s.net for s in vertex.right):
                    start = (self.side(vertex, right=True), self.leaves(vertex, net))
                    self.lead(vertex, net, (start,))
                if vertex.join:
                    self.dots.append((self.side(vertex, right=True), self.ys[vertex]))

    def lead(self, vertex: Vertex, net: Net, path: Path) -> None:
        todo: list[tuple[Vertex, Path]] = [(vertex, path)]
        while todo:
            vertex, path = todo.pop()
            ways = [s for s in vertex.right if s.net == net]
            fork = (self.curves[vertex.column][0], self.leaves(vertex, net))
            path = (*path, fork)
            if len(ways) > 1:
                self.stroke(path, [i for s in ways for i in s.arrows])
                path = (fork,)
            for segment in ways:
                y0, y1 = fork[1], self.arrives(segment)
                y1 = y0 if segment.end.box and abs(y1 - y0) < LEVEL else y1
                x0, x1 = self.curves[vertex.column]
                middle = (x0 + x1) / 2
                way = (*path, (middle, y0, middle, y1, x1, y1)) if y0 != y1 else path
                if segment.end.passing:
                    todo.append((segment.end, way))
                else:
                    self.arrive(segment, way, y1)

    def arrive(self, segment: Segment, path: Path, y: float) -> None:
        x = self.side(segment.end, right=False)
        head = "right" if segment.end.box and self.kind(segment.arrows) != "share" else ""
        stops = segment.end.box is not None and any(self.scene.edges[i].stops for i in segment.arrows)
        self.stroke((*path, (x, y)), segment.arrows, head, (x - 17, y) if stops else None)

    def kind(self, arrows: Sequence[int]) -> str:
        kinds = {self.scene.edges[i].kind for i in arrows}
        return next(kind for kind in ("gradient", "data", "write", "ema", "copy", "share") if kind in kinds)

    def stroke(self, path: Path, arrows: Sequence[int], head: str = "", stop: Point | None = None) -> None:
        self.strokes.append(Stroke(path, self.kind(arrows), tuple(sorted(set(arrows))), head, stop))

    def lead_around(self) -> None:
        """Edges to an earlier column: down behind their start, back under everything, up before their end."""
        self.deepest = max(
            (self.ys[v] + self.sizes[v].down for column in self.found.columns for v in column), default=0
        )
        self.deepest = max([self.deepest, *(bottom + 30 for _, bottom in self.spans.values())])
        for i in self.found.around:
            arrow, (start, end) = self.scene.edges[i], self.at(i)
            net = net_of(arrow)
            self.deepest += 12
            forked = any(s.net == net for s in start.right)
            x0 = self.curves[start.column][0] if forked else self.side(start, right=True)
            y0, y1 = self.leaves(start, net), self.ys[end] + self.sizes[end].inputs.get((arrow.into, net), 0)
            down = self.curves[start.column][0] + 4 + 8 * self.around[start.column].index(i)
            up = self.curves[end.column - 1][1] - 4 - 8 * self.back[end.column].index(i)
            x1 = self.side(end, right=False)
            bottom = self.deepest
            points = [(x0, y0), (down, y0), (down, bottom), (up, bottom), (up, y1), (x1, y1)]
            self.stroke(rounded(points), [i], "right", (x1 - 17, y1) if arrow.stops else None)

    def lead_vertical(self) -> None:
        """Links between boxes of one column: straight, or round the boxes between them."""
        for i in self.found.vertical:
            start, end = (self.place[v] for v in self.at(i))
            below = end.y > start.y
            column = self.at(i)[0].column
            head = self.kind([i]) != "share"
            if i in self.brackets[column]:
                turn = self.x[column] + self.widths[column] + 8 + 7 * self.brackets[column].index(i)
                y0 = start.y + (start.height - 8 if below else 8)
                y1 = end.y + (8 if below else end.height - 8)
                points = [(start.x + start.width, y0), (turn, y0), (turn, y1), (end.x + end.width, y1)]
                self.stroke(rounded(points, 4), [i], "left" if head else "")
            else:
                x = start.x + start.width / 2
                y0, y1 = (start.y + start.height, end.y) if below else (start.y, end.y + end.height)
                self.stroke(((x, y0), (x, y1)), [i], ("down" if below else "up") if head else "")

    # labels

    def write_labels(self) -> None:
        for (vertex, net), (over, under) in self.text.items():
            x, y = self.side(vertex, right=True) + 7, self.leaves(vertex, net)
            x = self.labels_at[vertex.column] if self.brackets[vertex.column] and vertex.box else x
            self.labels += [Label(over, x, y - 5, "start", "shape")] if over else []
            self.labels += [Label(under, x, y + 13, "start", "shape")] if under else []
        for i, arrow in enumerate(self.scene.edges):
            if arrow.target == TOTAL and arrow.number and arrow.number.samples:
                start = self.found.at[arrow.source]
                x, y = self.side(start, right=True) + 7, self.leaves(start, net_of(arrow))
                self.sparks.append(Spark(arrow.number.samples, x, y + 5))
            if arrow.kind == "ema" and arrow.number and arrow.source != arrow.target:
                end = self.place[self.found.at[arrow.target]]
                x, y = end.x + end.width / 2, end.y - 8
                bracketed = i in self.brackets[self.found.at[arrow.target].column]
                if bracketed and not self.from_above(arrow.target):
                    x = end.x + end.width - (38 if arrow.number.samples else -4)
                self.labels.append(Label(momentum_room(arrow)[0], x - 8, y, "end", "number"))
                if arrow.number.samples:
                    self.sparks.append(Spark(arrow.number.samples, x + 8, y - 8))

    def from_above(self, name: str) -> bool:
        """Whether a straight link between boxes of a column ends at the top of this box."""
        straight = [self.scene.edges[i] for i in self.found.vertical if i not in self.brackets[self.at(i)[0].column]]
        others = {a.source if a.target == name else a.target for a in straight if name in (a.source, a.target)}
        return any(self.place[self.found.at[other]].y < self.place[self.found.at[name]].y for other in others)

    def draw_bands(self) -> None:
        for lane, text in self.scene.lanes:
            columns = [v.column for v in self.place if v.lane == lane]
            if lane not in ("student", "teacher", "state") or not columns:
                continue
            top, bottom = self.spans[lane]
            left = self.x[min(columns)] - 12
            right = self.curves[max(columns)][0] if max(columns) < len(self.x) - 1 else self.ends
            title = 18
            over = lane == "student"
            y = top - 10 - (title if over else 0)
            band = Band(lane, left, y, right - left, bottom - top + 20 + title)
            self.bands.append(band)
            self.labels.append(Label(text, left + 10, y + 16 if over else y + band.height - 9, "start", "lane"))


def rounded(points: Sequence[Point], radius: float = 7) -> Path:
    """A path along right angles with its corners rounded."""
    path: list[tuple[float, ...]] = [points[0]]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        start, end = _towards(corner, before, radius), _towards(corner, after, radius)
        path += [start, (*corner, *corner, *end)]
    return (*path, points[-1])


def _towards(corner: Point, other: Point, radius: float) -> Point:
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    length = abs(dx) + abs(dy)
    share = min(radius, length / 2) / length if length else 0.0
    return corner[0] + dx * share, corner[1] + dy * share
