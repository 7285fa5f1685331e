"""Drawings of methods: graph → `Scene` → SVG, PNG, Mermaid, DOT or JSON; scenes → HTML page.

Never imports torch, unless sizes of the built model are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from graphssl.ir.graph import Graph
from graphssl.views.collapse import collapsed, groups_of
from graphssl.views.dot import dot
from graphssl.views.findings import with_findings
from graphssl.views.heat import heated
from graphssl.views.json import json
from graphssl.views.measures import Measures
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

PAGE = "html"
"""The suffix of a page, which holds more than one scene: a `Drawing` brings its own."""

SUFFIXES = (*FORMATS, PAGE)


def render(graph: Graph, format: str) -> str | bytes:
    """The drawing of `graph` in one of FORMATS."""
    return renderer(format)(scene(graph))


def renderer(format: str) -> Callable[[Scene], str | bytes]:
    """What draws one scene in a format; ValueError lists those there are."""
    if format in FORMATS:
        return FORMATS[format]
    known = ", ".join(f".{name}" for name in SUFFIXES)
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

    def as_(self, format: str) -> str | bytes:
        """The drawing in one of SUFFIXES: text, or bytes for `png`."""
        return self.page() if format == PAGE else renderer(format)(self.scene)

    def save(self, path: str | Path) -> Path:
        """Write the drawing in the format that the suffix of `path` names."""
        path = Path(path)
        drawn = self.as_(path.suffix.lower().removeprefix("."))
        path.write_bytes(drawn if isinstance(drawn, bytes) else drawn.encode())
        return path


def draw(
    method: Method | str,
    collapse: Sequence[str] | None = (),
    *,
    with_errors: bool = False,
    sizes: bool = False,
    measures: Measures | None = None,
    measure: str = "std",
    step: int | None = None,
) -> Drawing:
    """The drawing of a method, by name or loaded; of one with errors, as far as it is understood.

    collapse: names of blocks to draw as one box each, None for all. A page has the method's variants, too.
    with_errors: mark what is wrong, and say it below. sizes: parameters and widths of the built model (imports torch).
    measures: what a run measured (`views.run.measures_of`): colours boxes by `measure` at a step, by default the last; a page
    shows all of it, and that method alone.
    Raises GraphError with every finding when the file holds no graph at all, ValueError for a block that is not there.
    """
    from graphssl.language.diagnostics import GraphError
    from graphssl.pipeline import load

    method = load(method) if isinstance(method, str) else method
    if method.graph is None:
        raise GraphError(list(method.read_findings))

    def see(method: Method) -> Scene:
        return _seen(method, with_errors=with_errors, sizes=sizes)

    whole = see(method)
    folded = _blocks(whole, collapse)
    coloured = heated(whole, measures, measure, step) if measures and measures.get(measure) else whole
    return Drawing(collapsed(coloured, folded) if folded else coloured, lambda: _page(method, folded, see, measures))


def _seen(method: Method, *, with_errors: bool, sizes: bool) -> Scene:
    """The scene of a method that holds a graph, with what else it shall show."""
    from graphssl.language.diagnostics import has_errors

    assert method.graph
    drawn = scene(method.graph)
    if sizes and not has_errors(method.static):
        from graphssl.checks.dry_run import measure

        drawn = with_sizes(drawn, measure(method.graph))
    return with_findings(drawn, method.graph, method.static) if with_errors else drawn


def _page(method: Method, folded: Sequence[str], see: Callable[[Method], Scene], measures: Measures | None) -> str:
    from graphssl.views.page import html, sheet, sheets

    own = sheet(method, folded=folded, see=see) if measures else None
    shown = [replace(own, measures=measures)] if own else sheets(method, folded, see)
    return html(method.graph.name if method.graph else "", shown)


def _blocks(whole: Scene, asked: Sequence[str] | None) -> tuple[str, ...]:
    """The blocks asked for; ValueError where there is no such block."""
    known = groups_of(whole)
    for name in asked or ():
        if name not in known:
            there = f"there are {', '.join(f'`{group}`' for group in known)}" if known else "the method has none"
            raise ValueError(f"there is no block `{name}`; {there}")
    return known if asked is None else tuple(asked)
