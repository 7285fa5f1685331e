"""Images that look for neighbours among themselves."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.curate.flow import EXAMPLE, contributors, understood
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

_REST = "  manifest: {op: manifest, in: [near, flowers]}\n"

EXPLAIN = Explanation(
    "queries-in-pool",
    "the queries of a retrieval are a part of the pool that it chooses from",
    "The nearest image of each query is then the query itself: the retrieval finds what was there already.",
    f"{EXAMPLE}  near: {{op: retrieve_samples, in: {{pool: [pool, flowers], queries: flowers}}, encoder: runs/a}}\n{_REST}",
    f"{EXAMPLE}  near: {{op: retrieve_samples, in: {{pool: pool, queries: flowers}}, encoder: runs/a}}\n{_REST}",
)


def check(graph: Graph) -> Iterator[Finding]:
    if not understood(graph):
        return
    for node in graph:
        if "queries" not in node.inputs:
            continue
        pool, queries = (contributors(graph, [ref.node for ref in node.inputs[port]]) for port in ("pool", "queries"))
        for name in sorted(pool & queries):
            if graph.nodes[name].kind == "source":
                message = f"`{node.name}` looks for neighbours of `{name}` among images of `{name}`"
                help = f"take `{name}` out of its `pool`"
                yield Finding("queries-in-pool", message, node.inputs["queries"][0].span, "warning", node.name, help)
