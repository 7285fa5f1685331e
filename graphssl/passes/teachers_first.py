"""What carries no gradient is computed before what does: its passing memory is not wanted beside kept activations.

Left alone where such a node may draw random numbers, which belong to the calls in their order.
"""

from __future__ import annotations

from graphssl.ir.graph import Graph, Node


def run(graph: Graph) -> Graph:
    still: dict[str, Node] = {}
    for node in graph.in_order():
        given = [ref.node for _, ref in node.refs()]
        if node.kind != "loss" and not node.carries_gradient and all(name in still for name in given):
            still[node.name] = node
    if any(_may_draw(graph, node) for node in still.values()):
        return graph
    rest = [node.name for node in graph.in_order() if node.name not in still]
    return graph.planned(order=(*still, *rest))


def _may_draw(graph: Graph, node: Node) -> bool:
    """Whether the call may use dropout or stochastic depth."""
    if node.root is None or node.always_eval:
        return False
    root = graph.nodes[node.root]
    attrs = {**root.attrs, **node.attrs}
    return bool(attrs.get("drop_path")) or "drop" in str(attrs.get("args"))
