"""The drawing of a curation: graph of stages -> `Scene`, which the renderers of methods draw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from graphssl.curate.curation import Curation
from graphssl.curate.flow import chosen_from
from graphssl.ir.graph import Graph, Node
from graphssl.language.diagnostics import GraphError
from graphssl.views import Drawing
from graphssl.views.describe import attribute_words, packed, words
from graphssl.views.page import Sheet, html
from graphssl.views.scene import Arrow, Box, Scene

_LANES = {"source": "source", "manifest": "loss"}
_NAMES = (("source", "images"), ("student", "stages"), ("loss", "manifest"))
_LEGEND = (("gradient", "images to choose from"), ("data", "images to compare with"))


def draw(curation: Curation, kept: Mapping[str, int] | None = None) -> Drawing:
    """The drawing of a curation; GraphError with every finding when it holds no graph. kept: as of `scene`."""
    if curation.graph is None:
        raise GraphError(curation.findings)
    drawn = scene(curation.graph, kept)
    return Drawing(drawn, lambda: html(drawn.name, [Sheet(drawn.name, drawn)]))


def scene(graph: Graph, kept: Mapping[str, int] | None = None) -> Scene:
    """What the drawing says. kept: how many images each stage that was done gave."""
    boxes = tuple(_box(node, (kept or {}).get(node.name)) for node in graph)
    edges = tuple(_edges(graph))
    lanes, kinds = {box.lane for box in boxes}, {edge.kind for edge in edges}
    return Scene(
        name=graph.name,
        title=graph.title,
        paper=graph.spec.paper,
        boxes=boxes,
        edges=edges,
        total=(),
        lanes=tuple((lane, name) for lane, name in _NAMES if lane in lanes),
        legend=tuple((kind, meaning) for kind, meaning in _LEGEND if kind in kinds),
    )


def _box(node: Node, kept: int | None) -> Box:
    phrases = [phrase for key, value in node.attrs.items() for phrase in attribute_words(node, key, value)]
    count = () if kept is None else (f"{kept:,} images",)
    return Box(
        name=node.name,
        op=node.op.name,
        kind="source" if node.kind == "source" else "pure",
        lane=_LANES.get(node.kind, "student"),
        lines=(node.op.name, *packed(phrases), *count),
        attributes=tuple((key, words(value)) for key, value in node.attrs.items()),
        inputs=tuple(node.inputs),
        badges=(),
        doc=node.op.doc().partition("\n\n")[0].replace("\n", " "),
        place=node.span.place,
        broken=node.broken,
    )


def _edges(graph: Graph) -> Iterator[Arrow]:
    for node in graph:
        for port, ref in node.refs():
            if ref.node in graph.nodes:
                kind = "gradient" if port == chosen_from(node) else "data"
                yield Arrow(ref.node, node.name, kind, port="kept", into=port)
