"""BatchNorm groups that a step's rows cannot be split into."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "bn-group-does-not-divide",
    "the rows of a step are no multiple of a node's `bn_group`",
    "Each group of so many rows is normalised by its own statistics, so a call's rows must split into whole groups: those of one "
    "micro-batch on one rank, `micro_batch` or `batch_size / accumulate / ranks`.",
    "graphssl: 1\nextends: moco_v1@quick\nname: mine\nnodes: {f: {bn_group: 48}}\n",
    "graphssl: 1\nextends: moco_v1@quick\nname: mine\nnodes: {f: {bn_group: 64}}\n",
)


def check(graph: Graph, ranks: int = 1) -> Iterator[Finding]:
    if graph.train is None:
        return
    rows = graph.train.micro_batch or graph.train.batch_size // graph.train.accumulate // ranks
    for node in graph:
        group = node.attrs.get("bn_group")
        if isinstance(group, int) and not node.broken and rows % group:
            message = f"`{node.name}` splits its rows into BatchNorm groups of {group}, but a call has {rows}"
            also = (graph.train.spans["batch_size"], "the batch size is set here")
            help = f"make the batch of each rank and micro-batch a multiple of {group}, or change `bn_group`"
            yield Finding("bn-group-does-not-divide", message, node.place("bn_group"), "error", node.name, help, also)
