"""A learning rate of 0."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "lr-zero",
    "the learning rate is 0 throughout",
    "No weight moves (BatchNorm statistics and state do).",
    "graphssl: 1\nextends: simclr@quick\nname: mine\ntrain: {lr: {base: 0}}\n",
    "graphssl: 1\nextends: simclr@quick\nname: mine\ntrain: {lr: {base: 1e-3}}\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    if graph.train and graph.train.peak_lr() == 0:
        message = "the learning rate is 0 throughout, so nothing is learned"
        yield Finding("lr-zero", message, graph.train.spans["lr"], "warning", None, "give it a value above 0")
