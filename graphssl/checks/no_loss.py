"""A graph without a loss has nothing to train for."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.flow import complete
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "no-loss",
    "no node of the graph is a loss",
    "Training minimises the weighted sum of all loss nodes; without one there is no gradient.",
    "graphssl: 1\nextends: infonce@quick\nname: mine\nnodes: {loss: null, k: null}\n",
    "graphssl: 1\nextends: infonce@quick\nname: mine\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    if complete(graph) and not graph.losses():
        help = "add a loss node, for example `loss: {op: nt_xent, in: z}`"
        yield Finding("no-loss", "the graph has no loss", graph.spec.tree.entries["nodes"].key_span, help=help)
