"""A list of views is gathered from all ranks in one exchange, not in one for each view."""

from __future__ import annotations

from graphssl.ir.graph import Graph


def run(graph: Graph) -> Graph:
    lists = [node.name for node in graph if node.listed and node.op.takes_views_at_once]
    return graph.planned(at_once=frozenset(lists))
