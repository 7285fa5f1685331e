"""A teacher's tokens, maps and logits are dropped after their last use, not at the end of the forward.

Features are small, and what carries gradient, or what a loss takes, the backward keeps as long as it needs it.
"""

from __future__ import annotations

from graphssl.ir.graph import Graph, Node

_LARGE = ("tokens", "map", "logits", "probabilities")


def run(graph: Graph) -> Graph:
    order = [node for node in graph.in_order() if node.name not in graph.plan.on_request]
    stored = [
        ref for node in graph.of_kind("state") if node.delayed for _, ref in node.refs()
    ]  # read behind the forward
    watched = {ref.node for ref in (*stored, *(ref for _, ref in graph.monitors))}
    last = {ref.node: node for node in order for _, ref in node.refs()}
    freed: dict[str, tuple[str, ...]] = {}
    for node in order:
        if _large_without_gradient(node) and node.name not in watched and node.name in last:
            user = last[node.name]
            if user.kind != "loss":
                freed[user.name] = (*freed.get(user.name, ()), node.name)
    return graph.planned(freed=freed)


def _large_without_gradient(node: Node) -> bool:
    values = [value for edge in node.outputs.values() for value in edge.values]
    return (
        node.kind not in ("source", "loss")
        and not node.delayed
        and not any(value.grad for value in values)
        and any(value.kind in _LARGE for value in values)
    )
