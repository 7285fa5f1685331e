"""A scene coloured by what a run measured: a transformation of the scene, so that every renderer shows it."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
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
        norms = _at(gradients, at)
        back = receivers(scene, norms)
        edges = tuple(_flowing(arrow, back.get(arrow.source), gradients, norms) for arrow in edges)
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


def _flowing(arrow: Arrow, module: str | None, gradients: Measure, norms: Mapping[str, float]) -> Arrow:
    """The edge with the gradient norm of the module that its gradient arrives at first."""
    if module is None or arrow.kind != "gradient":
        return arrow
    note = f"gradient norm of {module}: {short(norms[module])}"
    return replace(arrow, heat=round(gradients.place(norms[module]), 4), notes=(*arrow.notes, note))


def receivers(scene: Scene, modules: Container[str]) -> dict[str, str]:
    """By box, where there is one: the nearest of `modules` that gradient from there arrives at, its own first."""
    own = {box.name: box.module or box.name for box in scene.boxes}
    before: dict[str, list[str]] = {}
    for arrow in scene.edges:
        if arrow.kind == "gradient":
            before.setdefault(arrow.target, []).append(arrow.source)
    found = {name: next((own[n] for n in _upstream(name, before) if own[n] in modules), None) for name in own}
    return {name: module for name, module in found.items() if module}


def _upstream(name: str, before: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """`name` and everything that comes before it, the nearest first."""
    waiting = [name]
    for now in waiting:  # which grows
        yield now
        waiting += [more for more in dict.fromkeys(before.get(now, ())) if more not in waiting]


def _said(kind: str, text: str, gradients: bool, apart: bool) -> str:
    if kind == "gradient" and gradients:
        return f"{text}, thicker: larger norm"
    return f"{text} and relative distance" if kind == "ema" and apart else text
