"""Rows stored as they are, and compared by direction."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "queue-not-normalized",
    "a queue stores rows that are not l2-normalised, and a loss on directions reads them",
    "The loss normalises what it reads, so the values are right; but what is stored is normalised where it is made, as in "
    "the papers, so that monitors, precision and the random first rows mean the same.",
    "graphssl: 1\nextends: moco_v2@quick\nname: mine\nnodes:\n  queue: {in: gk}\n",
    "graphssl: 1\nextends: moco_v2@quick\nname: mine\nnodes:\n  queue: {in: zk}\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    for node in graph.of_kind("state"):
        if node.broken or not node.delayed:
            continue
        directions = any(reader.attrs.get("normalize") is True for reader, _ in graph.consumers(node.name))
        for _, ref in node.refs():
            if directions and any(value.kind == "features" and not value.unit for value in graph.values(ref)):
                message = f"`{node.name}` stores `{ref}`, which is not l2-normalised"
                help = f"store `{{op: l2_normalize, in: {ref}}}` instead"
                yield Finding("queue-not-normalized", message, ref.span, "advice", node.name, help)
