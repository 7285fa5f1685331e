"""A queue that one batch fills."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "queue-not-longer-than-batch",
    "a queue holds no more rows than one step writes",
    "Then it only ever holds the last step, and the use of a queue, many negatives from small batches, is gone.",
    "graphssl: 1\nextends: moco_v2@quick\nname: mine\nparams: {queue: 128}\n",
    "graphssl: 1\nextends: moco_v2@quick\nname: mine\nparams: {queue: 4096}\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    for node in graph.of_kind("state"):
        size = node.attrs.get("size")
        if graph.train is None or node.broken or not isinstance(size, int):
            continue
        rows = graph.train.batch_size * max((len(edge.values) for edge in node.given.values()), default=1)
        if size <= rows:
            message = f"`{node.name}` holds {size:,} rows, and one step writes {rows:,}"
            also = (graph.train.spans["batch_size"], "the batch size is set here")
            help = f"make it several times larger, for example `size: {16 * rows}`"
            yield Finding("queue-not-longer-than-batch", message, node.place("size"), "warning", node.name, help, also)
