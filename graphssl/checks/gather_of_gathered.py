"""Rows of all ranks collected a second time."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "gather-of-gathered",
    "rows that come from all ranks already are collected again",
    "Every row would be there once per rank. A queue collects the rows of all ranks itself when it is written.",
    "graphssl: 1\nextends: simclr@quick\nname: mine\nnodes:\n  zz: {op: gather, in: z}\n  loss: {in: zz}\n",
    "graphssl: 1\nextends: simclr@quick\nname: mine\nnodes:\n  loss: {in: z}\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    for node in graph:
        if node.broken or not (node.op.name == "gather" or node.delayed):
            continue
        for _, ref in node.refs():
            if any(value.gathered for value in graph.values(ref)):
                what = "collects the rows of all ranks when it is written" if node.delayed else "gathers"
                message = f"`{node.name}` {what}, but `{ref}` holds the rows of all ranks already"
                also = (graph.nodes[ref.node].span, f"`{ref.node}` is gathered")
                help = f"feed `{node.name}` from before the first `gather`"
                yield Finding("gather-of-gathered", message, ref.span, node=node.name, help=help, also=also)
