"""Without `represent` nobody knows which features to evaluate."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.flow import complete, head, misspelt
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "no-represent",
    "the graph does not say which node gives the features that evaluation and export take",
    "Evaluation during training, `graphssl eval` and export take the features that `represent` names; usually the "
    "encoder's, before any head.",
    "graphssl: 1\nextends: simclr@quick\nname: mine\nrepresent: null\n",
    "graphssl: 1\nextends: simclr@quick\nname: mine\nrepresent: f\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    if complete(graph) and graph.represent is None and not misspelt(graph):
        encoders = [node.name for node in graph.of_kind("module")]
        help = f"add `represent: {encoders[0]}`" if encoders else "add `represent: NODE`"
        message = "the graph has no `represent`, so there is nothing to evaluate"
        yield Finding("no-represent", message, head(graph), severity="advice", help=help)
