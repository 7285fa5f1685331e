"""A drawing with what only the built model knows: parameters of each module, and widths in place of symbols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from graphssl.views.describe import Shape
from graphssl.views.scene import Arrow, Box, Scene


def with_sizes(scene: Scene, sizes: Mapping[str, Mapping[str, Any]]) -> Scene:
    """`scene` with numbers for symbols. sizes: by node `parameters` and `outputs`, as `checks.dry_run.measure` gives them."""
    return replace(
        scene,
        boxes=tuple(_counted(box, sizes.get(box.name, {})) for box in scene.boxes),
        edges=tuple(_sized(arrow, sizes.get(arrow.source, {})) for arrow in scene.edges),
    )


def short_count(number: int) -> str:
    """Three significant digits: `23.5 M`."""
    for unit, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= scale:
            return f"{number / scale:.3g} {unit}"
    return str(number)


def _counted(box: Box, size: Mapping[str, Any]) -> Box:
    if box.kind != "module" or not size.get("parameters"):
        return box
    return replace(box, lines=(*box.lines, f"{short_count(size['parameters'])} parameters"))


def _sized(arrow: Arrow, size: Mapping[str, Any]) -> Arrow:
    measured = size.get("outputs", {}).get(arrow.port)
    if not measured:
        return arrow
    found, at = [], 0
    for shape in arrow.shapes:
        found.append(_filled(shape, measured[at]))
        at += shape.count or 1
    return replace(arrow, shapes=tuple(found))


def _filled(shape: Shape, measured: list[int | str]) -> Shape:
    """The shape with the measured size of each axis that is named after a node, but not of rows: they follow the batch."""
    inner = (m if isinstance(a, str) else a for a, m in zip(shape.axes[1:], measured[1:], strict=True))
    return replace(shape, axes=(*shape.axes[:1], *inner))
