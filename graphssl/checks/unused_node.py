"""A node whose output nobody takes."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.flow import complete, purposes
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "unused-node",
    "nothing takes the output of a node",
    "It costs time and does nothing; often a reference was meant to name it.",
    "graphssl: 1\nextends: simclr@quick\nname: mine\nnodes:\n  zn: {op: l2_normalize, in: g}\n",
    "graphssl: 1\nextends: simclr@quick\nname: mine\nnodes:\n  zn: {op: l2_normalize, in: g}\n  z: {in: zn}\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    if not complete(graph) or not graph.losses():
        return
    taken = {ref.node for node in graph for _, ref in node.refs()} | {node.of.node for node in graph if node.of}
    for node in graph:
        if node.name not in taken and node.name not in purposes(graph):
            message = f"nothing takes the output of `{node.name}`"
            help = "feed it to a loss, watch it under `monitors`, or remove it"
            yield Finding("unused-node", message, node.span, "warning", node.name, help)
