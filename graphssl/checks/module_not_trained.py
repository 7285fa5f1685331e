"""A module that no loss trains."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.flow import complete, purposes, reached, used
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "module-not-trained",
    "no loss trains the weights of a module",
    "Its output is used, but every way from a loss back to it is cut by a `stop_grad`, a teacher or a queue: it keeps its "
    "random weights. Weights that are meant to stay fixed say `frozen: true`.",
    "graphssl: 1\nextends: simclr@quick\nname: mine\nnodes:\n"
    "  other: {op: encoder, in: [v1, v2], arch: resnet18}\nrepresent: other\n",
    "graphssl: 1\nextends: simclr@quick\nname: mine\nrepresent: f\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    losses = graph.losses()
    if not complete(graph) or not losses or any(not any(e.grad for e in n.outputs.values()) for n in losses):
        return  # a graph or loss without gradient has a finding of its own
    trained, useful = reached(graph, losses), used(graph, purposes(graph))
    for node in graph.of_kind("module"):
        if node.name in useful and node.name not in trained and not node.attrs["frozen"]:
            message = f"no loss trains the weights of `{node.name}`"
            help = "let a loss depend on it without `stop_grad` or a teacher between, or set `frozen: true`"
            yield Finding("module-not-trained", message, node.span, node=node.name, help=help)
