"""A scene coloured by what a run measured: a transformation of the scene, so that every renderer shows it."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace

from graphssl.views.measures import Measure, Measures
from graphssl.views.scene import Arrow, Badge, Box, Number, Scene

VIRIDIS = ("#440154", "#472c7a", "#3b518b", "#2c718e", "#21908d", "#27ad81", "#5cc863", "#aadc32", "#fde725")
"""Nine even steps of viridis: rising in lightness, told apart by colour-blind readers and in grey."""


def colour(heat: float) -> str:
    """The colour of a place between 0 and 1 on the scale."""
    at = min(1.0, max(0.0, heat)) * (len(VIRIDIS) - 1)
    i = min(int(at), len(VIRIDIS) - 2)
    low, high = (_channels(VIRIDIS[j]) for j in (i, i + 1))
    return "#" + "".join(f"{round(a + (b - a) * (at - i)):02x}" for a, b in zip(low, high, strict=True))


def ink(heat: float) -> str:
    """`bright` where dark text is the better readable on that colour, `dim` where white is (WCAG 2, contrast)."""
    linear = [c / 3294.6 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in _channels(colour(heat))]
    light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "bright" if (light + 0.05) ** 2 > 0.05 * 1.05 else "dim"


def _channels(hexadecimal: str) -> list[int]:
    return [int(hexadecimal[i : i + 2], 16) for i in (1, 3, 5)]


def short(value: float) -> str:
    """A measured value in three digits."""
    return f"{value:.3g}"


def heated(scene: Scene, measures: Measures, name: str = "std", step: int | None = None) -> Scene:
    """The scene with boxes coloured by one measure at a step (None: the last), its value on each box that has one.

    Edges that carry gradient get the place of the gradient norm of the module they lead back to; EMA edges name their distance.
    Raises KeyError when the run has no such measure.
    """
    measure = measures.get(name)
    if measure is None:
        raise KeyError(name)
    at = measures.index(step)
    found = _at(measure, at)
    gradients, distances = measures.get("grad_norm"), measures.get("ema_distance")
    apart = _at(distances, at) if distances else {}
    edges = tuple(_distant(arrow, apart) for arrow in scene.edges)
    if gradients:
        edges = tuple(_flowing(arrow, scene, gradients, _at(gradients, at)) for arrow in edges)
    ends = f"{short(measure.low)} to {short(measure.high)}{f' {measure.unit}' if measure.unit else ''}"
    entry = ("heat", f"{measure.title} at step {measures.steps[at]}, {ends}")
    legend = tuple((kind, _said(kind, text, bool(gradients), bool(apart))) for kind, text in scene.legend)
    boxes = tuple(_warm(box, measure, found.get(box.name)) for box in scene.boxes)
    return replace(scene, boxes=boxes, edges=edges, legend=(entry, *legend))


def _at(measure: Measure, index: int) -> Mapping[str, float]:
    """Values at one step, by node."""
    return {node: value for node, row in measure.values.items() if (value := row[index]) is not None}


def _warm(box: Box, measure: Measure, value: float | None) -> Box:
    if value is None:
        return box
    badge = Badge("measure", f"{measure.name.replace('_', ' ')} {short(value)}")
    return replace(box, badges=(*box.badges, badge), heat=round(measure.place(value), 4))


def _distant(arrow: Arrow, apart: Mapping[str, float]) -> Arrow:
    if arrow.kind != "ema" or arrow.number is None or arrow.target not in apart:
        return arrow
    said = f"{short(apart[arrow.target])} apart"
    number = Number(f"{arrow.number.text}, {said}", f"{arrow.number.short} · {said}", arrow.number.samples)
    return replace(arrow, number=number)


def _flowing(arrow: Arrow, scene: Scene, gradients: Measure, found: Mapping[str, float]) -> Arrow:
    """The edge with the gradient norm of the module that its gradient arrives at first."""
    module = receiver(arrow.source, scene, found) if arrow.kind == "gradient" and not arrow.stops else None
    if module is None:
        return arrow
    note = f"gradient norm of {module}: {short(found[module])}"
    return replace(arrow, heat=round(gradients.place(found[module]), 4), notes=(*arrow.notes, note))


def receiver(name: str, scene: Scene, found: Container[str]) -> str | None:
    """The nearest module upstream, `name` itself first, that is among those found: where gradient from there arrives."""
    modules = {box.name: box.module or box.name for box in scene.boxes}
    before, seen = [name], {name}
    while before:
        now = before.pop(0)
        if now in modules and modules[now] in found:
            return modules[now]
        more = [a.source for a in scene.edges if a.target == now and a.kind == "gradient" and a.source not in seen]
        seen.update(more)
        before += more
    return None


def _said(kind: str, text: str, gradients: bool, apart: bool) -> str:
    if kind == "gradient" and gradients:
        return f"{text}, thicker: larger norm"
    return f"{text} and relative distance" if kind == "ema" and apart else text
