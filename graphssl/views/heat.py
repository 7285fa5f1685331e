"""A scene coloured by what a run measured: a transformation of the scene, so that every renderer shows it."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace

from graphssl.views.measures import Measure, Measures
from graphssl.views.scene import Arrow, Badge, Box, Number, Scene


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
