"""A scene in Graphviz's DOT language, for those who want to lay it out themselves."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.views.escape import dot as text
from graphssl.views.palette import HUES, INKS, SIGNS, colour, ink
from graphssl.views.plain import name_and_lines
from graphssl.views.scene import Arrow, Scene

_SHAPES = {"state": "cylinder", "total": "circle", "pure": "box"}
_STYLES = {"gradient": "solid", "data": "dashed", "write": "dashed", "ema": "dotted", "copy": "dotted", "share": "bold"}


def dot(scene: Scene) -> str:
    """The drawing as DOT text."""
    return "\n".join(_lines(scene)) + "\n"


def _lines(scene: Scene) -> Iterator[str]:
    yield f"digraph {text(scene.name)} {{"
    yield f'  graph [rankdir=LR, label={text(scene.title)}, labelloc=t, fontname="Helvetica"];'
    yield '  node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=11];'
    yield '  edge [fontname="Helvetica", fontsize=9];'
    for box in scene.boxes:
        hue, shape = HUES[box.lane], _SHAPES.get(box.kind, "box")
        style = ', style="filled"' if shape != "box" else ", peripheries=2" if box.kind == "block" else ""
        frame = f'color="{SIGNS[box.mark][1]}", penwidth=3' if box.mark else f'color="{hue}"'
        fill = f'"{hue}29"' if box.heat is None else f'"{colour(box.heat)}", fontcolor="{INKS[ink(box.heat)]}"'
        look = f"shape={shape}{style}, {frame}, fillcolor={fill}"
        yield f"  {text(box.name)} [label={text(chr(10).join(name_and_lines(box)))}, {look}];"
    for arrow in scene.edges:
        yield f"  {text(arrow.source)} -> {text(arrow.target)} [{', '.join(_attributes(arrow))}];"
    for arrow in scene.edges:
        if arrow.kind == "ema":
            yield f"  {{ rank=same; {text(arrow.source)}; {text(arrow.target)}; }}"
    yield "}"


def _attributes(arrow: Arrow) -> Iterator[str]:
    words = arrow.label
    if arrow.number:
        weight = "" if arrow.number.text == "1" else f"× {arrow.number.short}"
        words = f"m = {arrow.number.short}" if arrow.kind == "ema" else weight
    yield f"label={text(words)}"
    yield f"style={_STYLES[arrow.kind]}"
    if arrow.kind in ("ema", "copy", "share"):
        yield f'color="{HUES["share" if arrow.kind == "share" else "ema"]}", constraint=false'
    if arrow.kind == "write":
        yield f'color="{HUES["state"]}"'
    if arrow.kind == "share":
        yield "dir=none"
    if arrow.heat is not None:
        yield f"penwidth={1 + 4 * arrow.heat:.2g}"
    if arrow.stops:
        yield "arrowhead=normaltee"
    if arrow.mark:
        yield f'color="{SIGNS[arrow.mark][1]}", penwidth=3'
