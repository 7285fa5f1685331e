"""A loss that no trained weight can change."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.flow import complete
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "loss-without-gradient",
    "no gradient flows from a loss to any trained weight",
    "Every way back from the loss ends at a `stop_grad`, a teacher, or a queue, so that minimising it changes nothing.",
    "graphssl: 1\nextends: byol@quick\nname: mine\nnodes:\n"
    "  still: {op: stop_grad, in: q}\n  loss: {in: {prediction: still}}\n",
    "graphssl: 1\nextends: byol@quick\nname: mine\nnodes:\n  loss: {in: {prediction: q}}\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    if not complete(graph):
        return
    for node in graph.losses():
        unknown = any(value.kind == "unknown" for edge in node.outputs.values() for value in edge.values)
        if not unknown and not node.carries_gradient:
            message = f"no gradient flows from `{node.name}` to any trained weight"
            help = f"feed `{node.name}` from an encoder or head without `stop_grad`, `ema` or `frozen` between"
            yield Finding("loss-without-gradient", message, node.span, node=node.name, help=help)
