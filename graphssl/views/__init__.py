"""Drawings of methods: graph → `Scene` → SVG, Mermaid, DOT or JSON. Never imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from graphssl.ir.graph import Graph
from graphssl.views.dot import dot
from graphssl.views.json import json
from graphssl.views.mermaid import mermaid
from graphssl.views.scene import Scene, scene
from graphssl.views.svg import svg

if TYPE_CHECKING:
    from graphssl.pipeline import Method

FORMATS: Mapping[str, Callable[[Scene], str]] = {"svg": svg, "mmd": mermaid, "dot": dot, "json": json}
"""How a scene becomes text, by the suffix of the file."""

_LATER = ("html", "png")


def render(graph: Graph, format: str) -> str:
    """The drawing of `graph` as `svg`, `mmd`, `dot` or `json`."""
    return renderer(format)(scene(graph))


def renderer(format: str) -> Callable[[Scene], str]:
    """What draws a format; ValueError lists those there are."""
    if format in FORMATS:
        return FORMATS[format]
    known = ", ".join(f".{name}" for name in FORMATS)
    if format in _LATER:
        raise ValueError(f"drawings as .{format} are not available yet; there are {known}")
    raise ValueError(
        f"there is no drawing as `.{format}`; there are {known}" if format else f"a drawing needs one of {known}"
    )


@dataclass(frozen=True)
class Drawing:
    """A drawing of a method; shows itself in a notebook."""

    scene: Scene

    def _repr_svg_(self) -> str:
        return svg(self.scene)

    def text(self, format: str) -> str:
        """The drawing as `svg`, `mmd`, `dot` or `json`."""
        return renderer(format)(self.scene)

    def save(self, path: str | Path) -> Path:
        """Write the drawing in the format that the suffix of `path` names."""
        path = Path(path)
        path.write_text(self.text(path.suffix.lower().removeprefix(".")), encoding="utf-8", newline="\n")
        return path


def draw(method: Method | str) -> Drawing:
    """The drawing of a method, by name or loaded; of one with errors, as far as it is understood.

    Raises GraphError with every finding when the file holds no graph at all.
    """
    from graphssl.language.diagnostics import GraphError
    from graphssl.pipeline import load

    method = load(method) if isinstance(method, str) else method
    if method.graph is None:
        raise GraphError(list(method.read_findings))
    return Drawing(scene(method.graph))
