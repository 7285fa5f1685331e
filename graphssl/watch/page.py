"""The page: a skeleton, its style and script, the drawing of the graph, and what the script must know of it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from graphssl.ir.graph import Graph
from graphssl.views.escape import xml
from graphssl.views.heat import receivers
from graphssl.views.page.parts import filled, part, reading_style, script, script_json
from graphssl.views.run import KNOWN
from graphssl.views.scene import Scene
from graphssl.views.svg import svg
from graphssl.watch.folder import RunFiles


def page(files: RunFiles, nonce: str) -> str:
    """The HTML document. nonce: what its scripts and styles must carry to be let run."""
    picture, facts = drawing(files.text("method.yaml"))
    parts = {
        "nonce": nonce,
        "title": xml(str(facts["title"] or files.path.name)),
        "run": xml(str(files.path)),
        "style": reading_style(__package__, "page.css"),
        "script": script(__package__, "chart.js", "page.js"),
        "facts": script_json({**facts, "measures": [quantity._asdict() for quantity in KNOWN]}),
        "drawing": picture.replace("<style>", f'<style nonce="{nonce}">'),
    }
    return filled(part(__package__, "page.html"), parts)


@lru_cache(maxsize=4)
def drawing(text: str) -> tuple[str, dict[str, Any]]:
    """The graph of a method's text as SVG, and its names: of losses, monitors, and where each edge's gradient arrives."""
    from graphssl.pipeline import load
    from graphssl.views.scene import scene

    nothing = {"title": "", "losses": [], "monitors": [], "receivers": {}}
    graph = load(text).graph if "\n" in text else None  # without a line break it would be a name or a path
    if graph is None:
        return '<p class="empty">method.yaml cannot be drawn.</p>', nothing
    found = scene(graph)
    return svg(found), {
        "title": graph.title,
        "losses": [node.name for node in graph.losses()],
        "monitors": [name for name, _ in graph.monitors],
        "receivers": _receivers(graph, found),
    }


def _receivers(graph: Graph, found: Scene) -> dict[int, str]:
    """By the index of an edge that carries gradient: the node whose weights that gradient reaches first."""
    trained = {box.name for box in found.boxes if box.kind in ("module", "link") and box.lane == "student"}
    trained |= {node.name for node in graph if node.op.observer}
    back = receivers(found, trained)
    return {i: back[a.source] for i, a in enumerate(found.edges) if a.kind == "gradient" and a.source in back}
