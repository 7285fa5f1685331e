"""Nodes that no loss, state or monitor needs are left out of ordinary steps, such as a slow copy that only evaluation takes.

Their values can still be asked for (`keep`): a step that keeps values computes them, too. What evaluation takes stays where its
BatchNorm statistics move with each call.
"""

from __future__ import annotations

from graphssl.ir.graph import Graph
from graphssl.passes.layers import moves_statistics


def run(graph: Graph) -> Graph:
    if graph.in_parts:
        return graph
    states = graph.of_kind("state")
    ends = [node.name for node in (*graph.losses(), *states)] + [ref.node for _, ref in graph.monitors]
    ends += [ref.node for node in states for _, ref in node.refs()]  # what is stored, behind the forward
    needed = graph.ancestors(ends)
    idle = {node.name for node in graph if node.kind != "source"} - needed
    evaluated = graph.ancestors([graph.represent.node] if graph.represent else []) & idle
    moving = [name for name in evaluated if graph.nodes[name].root and moves_statistics(graph, graph.nodes[name])]
    return graph.planned(on_request=frozenset(idle - graph.ancestors(moving)))
