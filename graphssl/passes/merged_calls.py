"""Calls of one module become one where it sees each row alone (no BatchNorm, dropout or stochastic depth).

The views of a list that have one size are fed together, and heads that map vectors take those of several nodes at once:
class tokens and patch tokens of iBOT.
"""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.ir.graph import Graph, Node, order
from graphssl.passes.layers import sees_rows_apart


def run(graph: Graph) -> Graph:
    lists = [node for node in graph if node.kind in ("module", "link") and _fed_per_view(graph, node)]
    groups = list(_groups(graph))
    apart = {
        name: sees_rows_apart(graph, graph.nodes[name]) for name in {*(n.name for n in lists), *(g[0] for g in groups)}
    }
    batch = {node.name: "by_size" for node in lists if apart[node.name]}
    graph = graph.planned(batch=batch)
    for first, *others in groups:
        if apart[first]:
            graph = _joined(graph, first, others)
    return graph


def _fed_per_view(graph: Graph, node: Node) -> bool:
    return node.listed and graph.fed(node) == "per_view" and not node.attrs.get("shuffle_bn")


def _groups(graph: Graph) -> Iterator[list[str]]:
    """Calls of one module that maps vectors, none of which is computed from another."""
    if graph.in_parts:
        return
    calls: dict[str, list[Node]] = {}
    for node in graph:
        if node.kind in ("module", "link") and node.signature.by_vector and len(node.inputs) == 1 and _default(node):
            calls.setdefault(graph.module_of(node).name, []).append(node)
    for nodes in calls.values():
        names = [node.name for node in nodes]
        if len(nodes) > 1 and not any(graph.ancestors([a]) & set(names) - {a} for a in names):
            yield names


def _default(node: Node) -> bool:
    return list(node.outputs) == [node.signature.default_port()]


def _joined(graph: Graph, first: str, others: list[str]) -> Graph:
    """With the calls of `others` made where `first` is, or later if their inputs need it; as before where that is a loop."""
    names = [name for name in graph.nodes if name not in others]
    one = dict.fromkeys(others, first)
    for taker, more in graph.plan.joined.items():
        one |= dict.fromkeys(more, taker)
    names = [name for name in names if name not in one]
    edges = [
        (one.get(ref.node, ref.node), one.get(node.name, node.name))
        for node in graph
        for port, ref in node.refs()
        if not node.signature.inputs[port].delayed
    ]
    in_order, loops, _ = order(names, edges)
    if loops:
        return graph
    joined = {**graph.plan.joined, first: tuple(others)}
    return graph.planned(order=tuple(n for name in in_order for n in (name, *joined.get(name, ()))), joined=joined)
