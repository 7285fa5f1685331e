"""A drawing with what is wrong on it: bad boxes and edges marked, what was not understood as an empty box."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from graphssl.ir.graph import Graph, Node
from graphssl.language.diagnostics import Finding
from graphssl.language.spec import Ref
from graphssl.views.scene import Arrow, Box, Scene, gravest, legend_of

MOST = 40
"""Findings that are told below a drawing, and nodes that are drawn though they are not there."""


def with_findings(scene: Scene, graph: Graph, findings: Sequence[Finding]) -> Scene:
    """`scene`, the drawing of `graph`, with errors and warnings where they are, and all of them in words below it."""
    shown = [finding for finding in findings if finding.severity in ("error", "warning")]
    strangers = tuple(islice(_strangers(graph), MOST))
    edges = [_marked_edge(graph, arrow, shown) for arrow in (*scene.edges, *_ways_of(graph, strangers))]
    boxes = [_marked_box(graph, box, shown) for box in (*scene.boxes, *strangers)]
    lanes = scene.lanes
    if strangers and "source" not in dict(lanes):
        lanes = (("source", "source"), *lanes)
    return replace(
        scene,
        boxes=tuple(boxes),
        edges=tuple(edges),
        lanes=lanes,
        legend=legend_of(boxes, tuple(edges)),
        findings=_list(graph, shown),
    )


def _list(graph: Graph, shown: Sequence[Finding]) -> tuple[tuple[str, str], ...]:
    """Sentences to stand below the drawing, and how many more there are."""
    told = [(finding.severity, _sentence(graph, finding)) for finding in shown[:MOST]]
    more = len(shown) - MOST
    return (*told, *([(shown[MOST].severity, f"and {more} more")] if more > 0 else []))


def _strangers(graph: Graph) -> Iterator[Box]:
    """A box for each name that is referred to, or written, but is no node that was understood."""
    written = {node.name: node for node in graph.spec.nodes}
    wanted = [ref for node in graph for ref in _refs(node)]
    for name in dict.fromkeys([*written, *(ref.node for ref in wanted)]):
        if name in graph.nodes:
            continue
        spec = written.get(name)
        line = spec.op if spec else "no such node"
        place = spec.span.place if spec else next(ref.span.place for ref in wanted if ref.node == name)
        yield Box(name, line, "module", "source", (line,), (), (), (), "", place, broken=True)


def _ways_of(graph: Graph, strangers: Iterable[Box]) -> Iterator[Arrow]:
    """The edges from boxes that were not understood."""
    names = {box.name for box in strangers}
    for node in graph:
        yield from (Arrow(ref.node, node.name, "data", into=port) for port, ref in node.refs() if ref.node in names)
        if node.of and node.of.node in names:
            yield Arrow(node.of.node, node.name, "data")


def _refs(node: Node) -> Iterator[Ref]:
    yield from (ref for _, ref in node.refs())
    if node.of:
        yield node.of


def _marked_edge(graph: Graph, arrow: Arrow, findings: Sequence[Finding]) -> Arrow:
    node = graph.nodes.get(arrow.target)
    refs = [ref for ref in _refs(node) if ref.node == arrow.source] if node else []
    mine = [f for f in findings if f.span and f.span in [ref.span for ref in refs]]
    return replace(arrow, mark=mine[0].severity, notes=tuple(map(_words, mine))) if mine else arrow


def _marked_box(graph: Graph, box: Box, findings: Sequence[Finding]) -> Box:
    mine = [finding for finding in findings if _owner(graph, finding) == box.name]
    if not mine:
        return box
    return replace(box, mark=gravest([finding.severity for finding in mine]), notes=tuple(map(_words, mine)))


def _owner(graph: Graph, finding: Finding) -> str | None:
    """The node that a finding is about: by name, or else the one on whose lines its place is."""
    if finding.node is not None or finding.span is None:
        return finding.node
    for node in graph.spec.nodes:
        whole = node.body.span
        inside = (node.span.line, node.span.column) <= (finding.span.line, finding.span.column)
        inside = inside and (finding.span.end_line, finding.span.end_column) <= (whole.end_line, whole.end_column)
        if node.span.source is finding.span.source and inside:
            return node.name
    return None


def _words(finding: Finding) -> str:
    help = f" (help: {finding.help})" if finding.help else ""
    return f"{finding.severity}[{finding.code}]: {finding.message}{help}"


def _sentence(graph: Graph, finding: Finding) -> str:
    owner = _owner(graph, finding)
    place = f" ({finding.span.place})" if finding.span else ""
    return f"{owner}: {finding.message}{place}" if owner else f"{finding.message}{place}"
