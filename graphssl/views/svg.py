"""A layout as SVG: one self-contained picture for light and dark, with selectable text and a title on every part.

Arrowheads are drawn, not markers, and colours are plain rules, so that old renderers show the same picture.
"""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.views.escape import xml
from graphssl.views.figure import Label, Layout, Path, Placed, Spark, Stroke, Swatch
from graphssl.views.layout import layout
from graphssl.views.measure import LINE, SPARK, text_width
from graphssl.views.palette import SIGNS, STAR, VIRIDIS, colour, ink
from graphssl.views.scene import Arrow, Box, Scene, gravest
from graphssl.views.style import hot, style


def svg(scene: Scene) -> str:
    """The drawing as an SVG document."""
    placed = layout(scene)
    rules = [style(), *([hot()] if any(box.heat is not None for box in scene.boxes) else [])]
    head = (f"<title>{xml(scene.title)}</title>", "<style>", *rules, "</style>")
    return "\n".join([_opening(placed), *head, *_lines(placed), "</svg>"]) + "\n"


def figure(scene: Scene) -> str:
    """The drawing as an `svg` element for a page that has the rules of `style.rules()`."""
    placed = layout(scene)
    return "\n".join([_opening(placed), *_lines(placed, told=False), "</svg>"])


def _opening(placed: Layout) -> str:
    size = f'width="{placed.width}" height="{placed.height}" viewBox="0 0 {placed.width} {placed.height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" class="graphssl" {size} role="graphics-document document">'


def _lines(placed: Layout, told: bool = True) -> Iterator[str]:
    """Everything that is drawn. told: boxes have a title, which a browser shows where the pointer rests."""
    scene = placed.scene
    yield f'<rect class="ground" width="{placed.width}" height="{placed.height}" rx="8"/>'
    for band in placed.bands:
        yield f'<rect class="band {band.lane}" {_at(band.x, band.y, band.width, band.height)} rx="14"/>'
    order = {kind: i for i, kind in enumerate(("share", "copy", "ema", "write", "data", "gradient"))}
    for stroke in sorted(placed.strokes, key=lambda s: order[s.kind]):
        yield from _stroke(stroke, scene)
    for x, y in placed.dots:
        yield f'<circle class="dot" cx="{_n(x)}" cy="{_n(y)}" r="3"><title>one list of views</title></circle>'
    for box in placed.boxes:
        yield from _box(box, told)
    for spark in placed.sparks:
        yield _spark(spark)
    for swatch in placed.swatches:
        yield _swatch(swatch)
    for label in placed.labels:
        yield _label(label)


def _n(value: float) -> str:
    return f"{round(value, 1):g}"


def _at(x: float, y: float, width: float, height: float) -> str:
    return f'x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}"'


def _d(path: Path) -> str:
    """The path's `d`."""
    start, *rest = (" ".join(map(_n, point)) for point in path)
    return f"M{start}" + "".join(
        f"{'L' if len(p) == 2 else 'C'}{words}" for p, words in zip(path[1:], rest, strict=True)
    )


def _shortened(path: Path, head: str) -> Path:
    """The path without its last pixels, which the arrowhead covers."""
    back = {"right": (-6, 0), "left": (6, 0), "down": (0, -6), "up": (0, 6)}.get(head, (0, 0))
    *front, end = path
    return (*front, (*end[:-2], end[-2] + back[0], end[-1] + back[1]))


def _head(x: float, y: float, head: str) -> str:
    a, b = {
        "right": ((-9, -4), (-9, 4)),
        "left": ((9, -4), (9, 4)),
        "down": ((-4, -9), (4, -9)),
        "up": ((-4, 9), (4, 9)),
    }[head]
    return f"{_n(x)},{_n(y)} {_n(x + a[0])},{_n(y + a[1])} {_n(x + b[0])},{_n(y + b[1])}"


def _stroke(stroke: Stroke, scene: Scene) -> Iterator[str]:
    arrows = [scene.edges[i] for i in stroke.edges]
    yield f'<g data-edges="{" ".join(map(str, stroke.edges))}"><title>{xml(chr(10).join(map(_said, arrows)))}</title>'
    if mark := _together({arrow.mark for arrow in arrows}):
        yield f'<path class="halo {mark}" d="{_d(stroke.path)}"/>'
    heat = max((arrow.heat for arrow in arrows if arrow.heat is not None), default=None)
    thick = "" if heat is None else f' style="stroke-width: {_n(1.2 + 4 * heat)}"'
    yield f'<path class="edge {stroke.kind}" d="{_d(_shortened(stroke.path, stroke.head))}"{thick}/>'
    if stroke.kind == "share":
        yield f'<path class="edge hollow" d="{_d(stroke.path)}"/>'
    if stroke.head:
        points = _head(stroke.path[-1][-2], stroke.path[-1][-1], stroke.head)
        yield f'<polygon class="head {stroke.kind}" points="{points}"/>'
    if stroke.stop:
        x, y = stroke.stop
        yield f'<path class="edge stop" d="M{_n(x)} {_n(y - 8)}L{_n(x)} {_n(y + 8)}"/>'
    yield "</g>"


def _together(marks: set[str]) -> str:
    """The mark of a line that carries several edges: a finding's, else what holds for all; where some come and some go, it changed."""
    return gravest(marks) or ("" if "" in marks else marks.pop() if len(marks) == 1 else "changed")


def _said(arrow: Arrow) -> str:
    """An edge in words, for its title."""
    ends = f"{arrow.source} → {arrow.target}"
    what = {
        "ema": "EMA of the weights, momentum",
        "copy": "weights copied once",
        "share": "same weights",
        "write": "stored for later steps:",
    }.get(arrow.kind, "weight" if arrow.number else "")
    stops = ", gradient stops" if arrow.stops else ""
    said = f"{ends}: {' '.join(part for part in (what, arrow.label) if part)}{stops}"
    return "\n".join([said, *_marked(arrow)])


def _marked(thing: Box | Arrow) -> Iterator[str]:
    """What the mark or the colour of a box or an edge says, in words."""
    yield from thing.notes or ((thing.mark,) if thing.mark else ())


def _box(placed: Placed, told: bool) -> Iterator[str]:
    box = placed.box
    title = f"<title>{xml(_told(box))}</title>" if told else ""
    tone = "" if box.heat is None else f" hot {ink(box.heat)}"
    yield f'<g class="node{tone}" data-node="{xml(box.name)}">{title}'
    classes = f"body {box.lane}{' broken' if box.broken else ''}"
    x, y, width, height = placed.x, placed.y, placed.width, placed.height
    warm = "" if box.heat is None else f' style="fill: {colour(box.heat)}"'
    if box.kind == "state":
        yield from _cylinder(x, y, width, height, classes, warm=warm)
    else:
        radius = {"pure": 18, "total": 18, "source": 3}.get(box.kind, 9)
        if box.kind == "source" and box.count > 1:
            yield f'<rect class="{classes}" {_at(x + 4, y - 4, width, height)} rx="{_n(radius)}"/>'
        yield f'<rect class="under" {_at(x, y, width, height)} rx="{_n(radius)}"/>'
        yield f'<rect class="{classes}" {_at(x, y, width, height)} rx="{_n(radius)}"{warm}/>'
        if box.kind == "block":
            yield f'<rect class="{classes} inner" {_at(x + 3, y + 3, width - 6, height - 6)} rx="{_n(radius - 3)}"/>'
    yield from _texts(placed)
    if box.mark:
        yield from _mark(placed)
    yield "</g>"


def _mark(placed: Placed) -> Iterator[str]:
    """A frame round a box and a sign on its corner."""
    x, y, mark = placed.x, placed.y, placed.box.mark
    frame = _at(x - 3.5, y - 3.5, placed.width + 7, placed.height + 7)
    yield f'<rect class="halo {mark}" {frame} rx="11"/>'
    yield f'<circle class="disc {mark}" cx="{_n(x + 1)}" cy="{_n(y + 1)}" r="8"/>'
    yield f'<text class="sign" x="{_n(x + 1)}" y="{_n(y + 5)}">{SIGNS[mark][0]}</text>'


def _cylinder(
    x: float, y: float, width: float, height: float, classes: str, ry: float = 7, warm: str = ""
) -> Iterator[str]:
    top, low = y + ry, y + height - ry
    arc = f"A{_n(width / 2)} {_n(ry)} 0 0"
    sides = f"M{_n(x)} {_n(top)}{arc} 1 {_n(x + width)} {_n(top)}V{_n(low)}{arc} 1 {_n(x)} {_n(low)}Z"
    yield f'<path class="under" d="{sides}"/>'
    yield f'<path class="{classes}" d="{sides}"{warm}/>'
    yield f'<path class="{classes}" d="M{_n(x)} {_n(top)}{arc} 0 {_n(x + width)} {_n(top)}" style="fill: none"/>'


def _texts(placed: Placed) -> Iterator[str]:
    content, box = placed.content, placed.box
    middle = placed.x + content.ports / 2 + placed.width / 2
    rows = 17 + 14 * len(content.lines) + (20 if content.pills else 0)
    y = placed.y + (placed.height - rows) / 2 + 13 + (4 if box.kind == "state" else 0)
    yield f'<text class="name" x="{_n(middle)}" y="{_n(y)}" text-anchor="middle">{xml(content.name)}</text>'
    curves = dict(box.curves)
    for i, line in enumerate(content.lines):
        x, low = middle - (SPARK / 2 if i in curves else 0), y + 16 + 14 * i
        yield f'<text class="what" x="{_n(x)}" y="{_n(low)}" text-anchor="middle">{xml(line)}</text>'
        if i in curves:
            yield _spark(Spark(curves[i], x + text_width(line, LINE) / 2 + 6, low - 9))
    for port, at in placed.ports:
        yield f'<text class="port" x="{_n(placed.x + 7)}" y="{_n(at + 3.5)}">{xml(port)}</text>'
    left = middle - (sum(w for _, _, w in content.pills) + 4 * (len(content.pills) - 1)) / 2
    top = y + 8 + 14 * len(content.lines)
    for kind, text, width in content.pills:
        yield f'<rect class="mark {"broken" if kind == "broken" else box.lane}" {_at(left, top, width, 16)} rx="8"/>'
        indent = 20 if kind == "represent" else 6
        if kind == "represent":
            yield f'<polygon class="star" points="{_star(left + 11, top + 8)}" fill="{STAR}"/>'
        yield f'<text class="pill" x="{_n(left + indent)}" y="{_n(top + 11.5)}">{xml(text)}</text>'
        left += width + 4


_STAR = (
    (0, -6),
    (1.6, -2.1),
    (5.7, -1.9),
    (2.5, 0.8),
    (3.5, 4.9),
    (0, 2.6),
    (-3.5, 4.9),
    (-2.5, 0.8),
    (-5.7, -1.9),
    (-1.6, -2.1),
)


def _star(x: float, y: float) -> str:
    return " ".join(f"{_n(x + dx)},{_n(y + dy)}" for dx, dy in _STAR)


def _told(box: Box) -> str:
    """A box in words, for its title."""
    head = f"{box.name}: {box.lines[0]}" if box.lines else box.name
    attributes = [f"{key}: {value}" for key, value in box.attributes]
    return "\n".join(
        [head, *_marked(box), *([box.doc] if box.doc else []), *attributes, *([box.place] if box.place else [])]
    )


def _spark(spark: Spark) -> str:
    low, high = min(spark.samples), max(spark.samples)
    step = spark.width / (len(spark.samples) - 1)
    points = [
        f"{_n(spark.x + i * step)},{_n(spark.y + spark.height * (1 - (value - low) / (high - low)))}"
        for i, value in enumerate(spark.samples)
    ]
    return f'<polyline class="spark" points="{" ".join(points)}"><title>over the training</title></polyline>'


def _label(label: Label) -> str:
    anchor = "" if label.anchor == "start" else f' text-anchor="{label.anchor}"'
    return f'<text class="{label.role}" x="{_n(label.x)}" y="{_n(label.y)}"{anchor}>{xml(label.text)}</text>'


def _scale(x: float, y: float) -> str:
    """The colour scale, low to high."""
    wide = 36 / len(VIRIDIS)
    return "".join(
        f'<rect {_at(x + i * wide, y - 6, wide + 0.4, 12)} fill="{shade}"/>' for i, shade in enumerate(VIRIDIS)
    )


def _swatch(swatch: Swatch) -> str:
    x, y, kind = swatch.x, swatch.y, swatch.kind
    line = f'<path class="edge {kind}" d="M{_n(x)} {_n(y)}L{_n(x + 28)} {_n(y)}"/>'
    head = f'<polygon class="head {kind}" points="{_head(x + 34, y, "right")}"/>'
    match kind:
        case "share":
            return line + f'<path class="edge hollow" d="M{_n(x)} {_n(y)}L{_n(x + 28)} {_n(y)}"/>'
        case "stop":
            stop = f'<path class="edge stop" d="M{_n(x + 17)} {_n(y - 7)}L{_n(x + 17)} {_n(y + 7)}"/>'
            return f'<path class="edge data" d="M{_n(x)} {_n(y)}L{_n(x + 34)} {_n(y)}"/>{stop}'
        case "state":
            return "".join(_cylinder(x + 9, y - 8, 18, 17, "body state", 3))
        case "heat":
            return _scale(x, y)
        case "represent":
            return f'<polygon points="{_star(x + 17, y)}" fill="{STAR}"/>'
        case "moment":
            return f'<rect class="mark teacher" {_at(x + 4, y - 7, 28, 14)} rx="7"/>'
        case _ if kind in SIGNS:
            disc = f'<circle class="disc {kind}" cx="{_n(x + 17)}" cy="{_n(y)}" r="8"/>'
            return f'{disc}<text class="sign" x="{_n(x + 17)}" y="{_n(y + 4)}">{SIGNS[kind][0]}</text>'
        case "broken":
            return f'<rect class="body loss broken" {_at(x + 4, y - 7, 28, 14)} rx="4"/>'
    return line + head
