"""Accumulation in front of what compares the samples of a batch."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "accumulate-changes-loss",
    "with `accumulate`, samples are compared within a micro-batch only",
    "In-batch negatives, statistics of the batch and Sinkhorn see one micro-batch at a time: fewer candidates, another loss. "
    "`micro_batch` saves the same memory, and its loss and gradient are those of the whole batch.",
    "graphssl: 1\nextends: simclr@quick\nname: mine\ntrain: {accumulate: 4}\n",
    "graphssl: 1\nextends: simclr@quick\nname: mine\nnodes: {f: {bn_group: 64}, g: {bn_group: 64}}\ntrain: {micro_batch: 64}\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    train = graph.train
    if train is None or train.accumulate == 1:
        return
    rows = train.batch_size // train.accumulate
    for node in graph:
        if not node.broken and not node.op.separable(node.given):
            message = f"`{node.name}` compares the samples of its batch, and `accumulate` gives it {rows} of the {train.batch_size}"
            help = f"write `micro_batch: {rows}` instead: the same memory, and the loss of the whole batch"
            also = (node.span, f"`{node.op.name}` stands here")
            yield Finding(
                "accumulate-changes-loss", message, train.spans["accumulate"], "warning", node.name, help, also
            )
