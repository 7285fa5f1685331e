"""A scene with places: every box, stroke and label in pixels. Renderers only draw what stands here.

Between two columns lie, from left to right: room for links that run round a box, labels, curves, arrowheads. Boxes
stand in columns only and edges change height between columns only, so no edge can cross a box.
"""

from __future__ import annotations

from dataclasses import replace
from textwrap import wrap

from graphssl.language.diagnostics import Finding, GraphError
from graphssl.language.limits import MAX_DRAWN, MAX_DRAWN_WIRES
from graphssl.views.describe import clipped
from graphssl.views.figure import Label, Layout, Spark, Swatch, moved
from graphssl.views.heights import bodies, heights
from graphssl.views.layers import layers
from graphssl.views.measure import LINE, NAME, SMALL, SPARK, text_width
from graphssl.views.ranks import ranks
from graphssl.views.routes import Routes
from graphssl.views.scene import Scene

MARGIN = 20


def layout(scene: Scene) -> Layout:
    """Places for everything in `scene`; the same scene always gives the same places. Raises GraphError for too much of it."""
    _require_drawable(scene)
    found = layers(scene, ranks(scene))
    sizes = bodies(scene, found)
    ys, spans = heights(found, sizes)
    routes = Routes(scene, found, sizes, ys, spans)
    routes.run()
    titles, curves = _titles(scene)
    top = max(t.y for t in titles) + 14 - routes.top
    body = max(routes.right, max((label.rectangle[2] for label in titles), default=0.0) - MARGIN, 380.0)
    legend, swatches, height = _legend(scene, body, routes.bottom + top + 30)
    findings, signs, height = _findings(scene, body, height)
    dx, dy = MARGIN + max(0.0, (body - routes.right) / 2), top
    return Layout(
        scene=scene,
        width=round(body + 2 * MARGIN),
        height=round(height),
        boxes=tuple(
            replace(b, x=b.x + dx, y=b.y + dy, ports=tuple((text, y + dy) for text, y in b.ports)) for b in routes.boxes
        ),
        strokes=tuple(
            replace(s, path=moved(s.path, (dx, dy)), stop=(s.stop[0] + dx, s.stop[1] + dy) if s.stop else None)
            for s in routes.strokes
        ),
        labels=(*titles, *(replace(t, x=t.x + dx, y=t.y + dy) for t in routes.labels), *legend, *findings),
        bands=tuple(replace(b, x=b.x + dx, y=b.y + dy) for b in routes.bands),
        dots=tuple((x + dx, y + dy) for x, y in routes.dots),
        sparks=(*curves, *(replace(s, x=s.x + dx, y=s.y + dy) for s in routes.sparks)),
        swatches=(*swatches, *signs),
    )


def _require_drawable(scene: Scene) -> None:
    for number, limit, what in ((len(scene.boxes), MAX_DRAWN, "boxes"), (len(scene.edges), MAX_DRAWN_WIRES, "wires")):
        if number > limit:
            message = f"`{scene.name}` has {number:,} {what}, and a drawing at most {limit:,}"
            help = "draw its blocks as one box each (--collapse), or let Graphviz or Mermaid place it (-o FILE.dot, FILE.mmd)"
            raise GraphError([Finding("too-large-to-draw", message, help=help)])


def _titles(scene: Scene) -> tuple[tuple[Label, ...], tuple[Spark, ...]]:
    """The title; below it name and paper, or what else there is to say, on up to four lines; the recipe with its curves."""
    under = wrap(" · ".join(part for part in (scene.name, scene.paper) if part), 120, max_lines=4, placeholder="…")
    labels = [
        Label(clipped(scene.title, 90), MARGIN, MARGIN + 13, "start", "title", NAME + 3),
        *(Label(text, MARGIN, MARGIN + 30 + 15 * i, "start", "subtitle", LINE) for i, text in enumerate(under or [""])),
    ]
    sparks = []
    x, y = float(MARGIN), labels[-1].y + 18
    for key, number in scene.recipe:
        text = clipped(f"{key} {number.short}", 60)
        labels.append(Label(text, x, y, "start", "recipe"))
        x += text_width(text, SMALL)
        if number.samples:
            sparks.append(Spark(number.samples, x + 6, y - 8.5))
            x += SPARK
        x += 18
    return tuple(labels), tuple(sparks)


def _legend(scene: Scene, width: float, y: float) -> tuple[tuple[Label, ...], tuple[Swatch, ...], float]:
    """Entries in rows no wider than the drawing, and where the canvas ends."""
    labels, swatches = [], []
    x = float(MARGIN)
    for kind, text in scene.legend:
        room = 42 + text_width(text, SMALL) + 18
        if x > MARGIN and x + room > MARGIN + width + 18:
            x, y = float(MARGIN), y + 20
        swatches.append(Swatch(kind, x, y))
        labels.append(Label(text, x + 42, y + 3.5, "start", "legend"))
        x += room
    return tuple(labels), tuple(swatches), y + (10 if scene.legend else 0) + MARGIN


def _findings(scene: Scene, width: float, y: float) -> tuple[tuple[Label, ...], tuple[Swatch, ...], float]:
    """What is wrong, a sentence a row, and where the canvas ends."""
    labels, swatches = [], []
    for severity, text in scene.findings:
        swatches.append(Swatch(severity, MARGIN - 8, y - 3.5))
        for row in _rows(text, width - 26):
            labels.append(Label(row, MARGIN + 24, y, "start", "finding"))
            y += 15
        y += 5
    return tuple(labels), tuple(swatches), y


def _rows(text: str, width: float) -> list[str]:
    """The text in rows no wider than this."""
    rows = [""]
    for word in clipped(text, 400).split():
        longer = f"{rows[-1]} {word}".strip()
        if text_width(longer, SMALL) <= width or not rows[-1]:
            rows[-1] = clipped(longer, int(width // SMALL)) if not rows[-1] else longer
        else:
            rows.append(clipped(word, int(width // SMALL)))
    return rows
