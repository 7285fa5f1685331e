"""A graph without `train:` can be checked and drawn, not trained."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.flow import head, misspelt
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "no-train",
    "the graph has no `train`, so it cannot be trained",
    "The recipe of training (optimizer, learning rate, epochs, batch size) belongs to a method and has no defaults.",
    "graphssl: 1\nextends: simclr@quick\nname: mine\ntrain: null\n",
    "graphssl: 1\nextends: simclr@quick\nname: mine\n"
    "train: {$replace: true, optimizer: adamw, lr: 1e-3, epochs: 10, batch_size: 256}\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    if graph.nodes and "train" not in graph.spec.tree and not misspelt(graph):
        help = "add `train: {optimizer: adamw, lr: 1e-3, epochs: 100, batch_size: 256}`"
        yield Finding("no-train", "the graph has no `train`", head(graph), severity="advice", help=help)
