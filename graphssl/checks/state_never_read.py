"""A state that is written and never read."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.flow import complete
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "state-never-read",
    "a state is written every step and nothing reads it",
    "It takes memory and changes nothing; usually a loss was meant to take it, for example as `negatives`.",
    "graphssl: 1\nextends: moco_v2@quick\nname: mine\nnodes:\n"
    "  all: {op: gather, in: zk, grad: false}\n  loss: {in: {positive: all, negatives: null}}\n",
    "graphssl: 1\nextends: moco_v2@quick\nname: mine\nnodes:\n  loss: {in: {positive: zk, negatives: queue}}\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    watched = {ref.node for _, ref in graph.monitors}
    for node in graph.of_kind("state"):
        if complete(graph) and node.name not in watched and not graph.consumers(node.name):
            message = f"`{node.name}` is written every step, but nothing reads it"
            help = f"read it in a loss, for example `negatives: {node.name}`, or remove it"
            yield Finding("state-never-read", message, node.span, "warning", node.name, help)
