"""The graph's augment nodes as plans for the data side."""

from __future__ import annotations

from graphssl.data.augment import ViewPlan
from graphssl.ir.graph import Graph, Node


def view_plans(graph: Graph) -> dict[str, ViewPlan | list[ViewPlan]]:
    """One plan, or a list of them, by source-node name."""
    return {node.name: _plans(node) for node in graph.sources() if node.op.name == "augment"}


def _plans(node: Node) -> ViewPlan | list[ViewPlan]:
    size = node.attrs["size"]
    names = node.op.views_of(node.name, node.attrs)  # type: ignore[attr-defined]
    if not names:
        return ViewPlan(node.name, size, node.attrs["steps"] or (), node.name)
    recipes = node.attrs["views"] or (node.attrs["steps"] or (),)
    each = [recipe for recipe in recipes for _ in range(node.attrs["count"] or 1)]
    return [ViewPlan(node.name, size, steps, name) for name, steps in zip(names, each, strict=True)]
