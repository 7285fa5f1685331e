"""Drawings of methods: graph → `Scene` → SVG, PNG, Mermaid, DOT or JSON. Never imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from graphssl.ir.graph import Graph
from graphssl.views.dot import dot
from graphssl.views.findings import with_findings
from graphssl.views.json import json
from graphssl.views.mermaid import mermaid
from graphssl.views.png import png
from graphssl.views.scene import Scene, scene
from graphssl.views.sizes import with_sizes
from graphssl.views.svg import svg

if TYPE_CHECKING:
    from graphssl.pipeline import Method

FORMATS: Mapping[str, Callable[[Scene], str | bytes]] = {
    "svg": svg,
    "png": png,
    "mmd": mermaid,
    "dot": dot,
    "json": json,
}
"""How a scene becomes a file, by the suffix of the file."""

_LATER = ("html",)


def render(graph: Graph, format: str) -> str | bytes:
    """The drawing of `graph` in one of FORMATS."""
    return renderer(format)(scene(graph))


def renderer(format: str) -> Callable[[Scene], str | bytes]:
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

    def as_(self, format: str) -> str | bytes:
        """The drawing in one of FORMATS: text, or bytes for `png`."""
        return renderer(format)(self.scene)

    def save(self, path: str | Path) -> Path:
        """Write the drawing in the format that the suffix of `path` names."""
        path = Path(path)
        drawn = self.as_(path.suffix.lower().removeprefix("."))
        path.write_bytes(drawn if isinstance(drawn, bytes) else drawn.encode())
        return path


def draw(method: Method | str, *, with_errors: bool = False, sizes: bool = False) -> Drawing:
    """The drawing of a method, by name or loaded; of one with errors, as far as it is understood.

    with_errors: mark what is wrong, and say it below. sizes: parameters and widths of the built model (imports torch).

    Raises GraphError with every finding when the file holds no graph at all.
    """
    from graphssl.language.diagnostics import GraphError
    from graphssl.pipeline import load

    method = load(method) if isinstance(method, str) else method
    if method.graph is None:
        raise GraphError(list(method.read_findings))
    drawn = scene(method.graph)
    if sizes:
        from graphssl.checks.dry_run import measure

        drawn = with_sizes(drawn, measure(method.checked_graph()))
    return Drawing(with_findings(drawn, method.graph, method.static) if with_errors else drawn)
