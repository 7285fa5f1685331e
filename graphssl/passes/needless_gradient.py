"""Calls whose gradient no loss asks for keep nothing for the backward.

A second call of trained weights before a stop-gradient (SimSiam written with a `share`) is computed like a teacher.
"""

from __future__ import annotations

from graphssl.ir.graph import Graph


def run(graph: Graph) -> Graph:
    wanted: set[str] = set()
    for node in reversed(list(graph)):  # consumers before what they consume
        if node.kind == "loss" or node.name in wanted:
            wanted |= {
                ref.node
                for port, ref in node.refs()
                if not node.signature.inputs[port].blocks_gradient and (node.kind == "loss" or node.carries_gradient)
            }
    trained = {node.name for node in graph.of_kind("module", "link", "pure") if node.carries_gradient}
    return graph.planned(no_grad=frozenset(trained - wanted))
