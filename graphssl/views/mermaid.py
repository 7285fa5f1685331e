"""A scene as a Mermaid flowchart, as GitHub renders it."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.views.escape import mermaid as text
from graphssl.views.escape import mermaid_title
from graphssl.views.palette import HUES, INKS, SIGNS, colour, ink
from graphssl.views.plain import name_and_lines
from graphssl.views.scene import Arrow, Box, Scene

_SHAPES = {
    "state": ("[(", ")]"),
    "pure": ("([", "])"),
    "total": ("((", "))"),
    "source": ("[", "]"),
    "block": ("[[", "]]"),
}
_LINES = {"gradient": "-->", "data": "-.->", "write": "-.->", "ema": "-.->", "copy": "-.->", "share": "==="}


def mermaid(scene: Scene) -> str:
    """The drawing as Mermaid text."""
    return "\n".join(_lines(scene)) + "\n"


def _lines(scene: Scene) -> Iterator[str]:
    ids = {box.name: f"n{i}" for i, box in enumerate(scene.boxes)}
    yield from ("---", f"title: {mermaid_title(scene.title)}", "---", "flowchart LR")
    for lane, name in scene.lanes:
        boxes = [box for box in scene.boxes if box.lane == lane]
        framed = lane in ("student", "teacher", "state")
        if framed:
            yield f'  subgraph lane_{lane}["{text(name)}"]'
        for box in boxes:
            left, right = _SHAPES.get(box.kind, ("(", ")"))
            yield f'  {"  " if framed else ""}{ids[box.name]}{left}"{_label(box)}"{right}:::{lane}'
        if framed:
            yield "  end"
    for arrow in scene.edges:
        words = _words(arrow)
        label = f'|"{text(words)}"|' if words else ""
        yield f"  {ids[arrow.source]} {_LINES[arrow.kind]}{label} {ids[arrow.target]}"
    framed_lanes = [f"lane_{lane}" for lane, _ in scene.lanes if lane in ("student", "teacher", "state")]
    if framed_lanes:
        yield f"  classDef ground fill:none,stroke:{HUES['source']}"
        yield f"  class {','.join(framed_lanes)} ground"
    for kind in ("ema", "copy", "share", "write"):
        numbers = [str(i) for i, arrow in enumerate(scene.edges) if arrow.kind == kind]
        hue = HUES[{"copy": "ema", "write": "state"}.get(kind, kind)]
        if numbers:
            yield f"  linkStyle {','.join(numbers)} stroke:{hue},stroke-width:2px"
    for mark, (_, hue, _) in SIGNS.items():
        numbers = [str(i) for i, arrow in enumerate(scene.edges) if arrow.mark == mark]
        if numbers:
            yield f"  linkStyle {','.join(numbers)} stroke:{hue},stroke-width:4px"
        if marked := [ids[box.name] for box in scene.boxes if box.mark == mark]:
            yield f"  classDef {mark} stroke:{hue},stroke-width:4px"
            yield f"  class {','.join(marked)} {mark}"
    for lane, _ in scene.lanes:
        yield f"  classDef {lane} fill:{HUES[lane]}29,stroke:{HUES[lane]}"
    for box in scene.boxes:
        if box.heat is not None:
            yield f"  style {ids[box.name]} fill:{colour(box.heat)},color:{INKS[ink(box.heat)]}"
    for i, arrow in enumerate(scene.edges):
        if arrow.heat is not None:
            yield f"  linkStyle {i} stroke-width:{1 + 4 * arrow.heat:.2g}px"


def _label(box: Box) -> str:
    name, *lines = map(text, name_and_lines(box))
    return "<br/>".join([f"<b>{name}</b>", *lines])


def _words(arrow: Arrow) -> str:
    """What is written on an edge."""
    if arrow.number and arrow.kind == "gradient":
        return "" if arrow.number.text == "1" else f"× {arrow.number.short}"
    ema = "EMA, m = " if arrow.number else "EMA"
    known = {"ema": ema, "copy": "copy", "share": "same weights", "write": "write, "}
    label = arrow.number.short if arrow.number else arrow.label
    words = (known.get(arrow.kind, "") + label).removesuffix(", ")
    return " ".join([*([words] if words else []), *(["(stop-grad)"] if arrow.stops else [])])
