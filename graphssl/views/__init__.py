"""Drawings of methods: graph → `Scene` → SVG, Mermaid, DOT or JSON; scenes → HTML page. Never imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from graphssl.ir.graph import Graph
from graphssl.views.collapse import collapsed, groups_of
from graphssl.views.dot import dot
from graphssl.views.json import json
from graphssl.views.mermaid import mermaid
from graphssl.views.scene import Scene, scene
from graphssl.views.svg import svg

if TYPE_CHECKING:
    from graphssl.pipeline import Method

FORMATS: Mapping[str, Callable[[Scene], str]] = {"svg": svg, "mmd": mermaid, "dot": dot, "json": json}
"""How a scene becomes text, by the suffix of the file."""

PAGE = "html"
"""The suffix of a page, which holds more than one scene: a `Drawing` brings its own."""

SUFFIXES = (*FORMATS, PAGE)
_LATER = ("png",)


def render(graph: Graph, format: str) -> str:
    """The drawing of `graph` as `svg`, `mmd`, `dot` or `json`."""
    return renderer(format)(scene(graph))


def renderer(format: str) -> Callable[[Scene], str]:
    """What draws one scene in a format; ValueError lists those there are."""
    if format in FORMATS:
        return FORMATS[format]
    known = ", ".join(f".{name}" for name in SUFFIXES)
    if format in _LATER:
        raise ValueError(f"drawings as .{format} are not available yet; there are {known}")
    raise ValueError(
        f"there is no drawing as `.{format}`; there are {known}" if format else f"a drawing needs one of {known}"
    )


@dataclass(frozen=True)
class Drawing:
    """A drawing; shows itself in a notebook. scene: what formats of one scene hold. page: makes the HTML page."""

    scene: Scene
    page: Callable[[], str]

    def _repr_svg_(self) -> str:
        return svg(self.scene)

    def text(self, format: str) -> str:
        """The drawing as `svg`, `mmd`, `dot`, `json` or `html`."""
        return self.page() if format == PAGE else renderer(format)(self.scene)

    def save(self, path: str | Path) -> Path:
        """Write the drawing in the format that the suffix of `path` names."""
        path = Path(path)
        path.write_text(self.text(path.suffix.lower().removeprefix(".")), encoding="utf-8", newline="\n")
        return path


def draw(method: Method | str, collapse: Sequence[str] | None = ()) -> Drawing:
    """The drawing of a method, by name or loaded; of one with errors, as far as it is understood.

    collapse: names of blocks to draw as one box each, None for all. A page has the method's variants, too.
    Raises GraphError with every finding when the file holds no graph at all, ValueError for a block that is not there.
    """
    from graphssl.language.diagnostics import GraphError
    from graphssl.pipeline import load

    method = load(method) if isinstance(method, str) else method
    if method.graph is None:
        raise GraphError(list(method.read_findings))
    whole = scene(method.graph)
    folded = _blocks(whole, collapse)
    return Drawing(collapsed(whole, folded) if folded else whole, lambda: _page(method, folded))


def _page(method: Method, folded: Sequence[str]) -> str:
    from graphssl.views.page import html, sheets

    return html(method.graph.name if method.graph else "", sheets(method, folded))


def _blocks(whole: Scene, asked: Sequence[str] | None) -> tuple[str, ...]:
    """The blocks asked for; ValueError where there is no such block."""
    known = groups_of(whole)
    for name in asked or ():
        if name not in known:
            there = f"there are {', '.join(f'`{group}`' for group in known)}" if known else "the method has none"
            raise ValueError(f"there is no block `{name}`; {there}")
    return known if asked is None else tuple(asked)
