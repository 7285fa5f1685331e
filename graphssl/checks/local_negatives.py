"""Negatives from the batch of one rank only."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.ir.graph import Graph
from graphssl.ir.signature import Loss
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "local-negatives",
    "a loss takes its negatives from the batch, without `gather`",
    "On one device it makes no difference. On several, each sample is told apart only from those on its own device: "
    "fewer negatives than the batch size says, and a different loss than on one device.",
    "graphssl: 1\nextends: simclr@quick\nname: mine\nnodes:\n  z: null\n  loss: {in: g}\n",
    "graphssl: 1\nextends: simclr@quick\nname: mine\nnodes:\n  z: {op: gather, in: g}\n  loss: {in: z}\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    for node in graph.losses():
        if node.broken or not issubclass(node.op, Loss):
            continue
        port = next((port for port in node.op.candidates if port in node.given), None)
        if port and any(value.axes[:1] == ("b",) for value in node.given[port].values):
            ref = node.inputs[port][0]
            message = f"`{node.name}` takes its negatives from `{ref}`, the samples of one rank"
            help = f"put a node `{{op: gather, in: {ref}}}` between"
            yield Finding("local-negatives", message, ref.span, "advice", node.name, help)
