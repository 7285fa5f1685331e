"""Images of a benchmark among those to train on."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.curate.flow import EXAMPLE, contributors, manifests, understood
from graphssl.curate.stages.relative_deduplicate import RelativeDeduplicate
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

_CLEAN = "  clean: {op: relative_deduplicate, in: {pool: pool, reference: flowers}, encoder: runs/a}\n"

EXPLAIN = Explanation(
    "benchmark-in-manifest",
    "the manifest holds the images of a benchmark",
    "They were named as what the training set must not touch; trained on, they make every later evaluation on them meaningless.",
    f"{EXAMPLE}{_CLEAN}  manifest: {{op: manifest, in: [clean, flowers]}}\n",
    f"{EXAMPLE}{_CLEAN}  manifest: {{op: manifest, in: clean}}\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    if not understood(graph):
        return
    trained_on = contributors(graph, [node.name for node in manifests(graph)])
    for node in graph:
        for port, ref in node.refs():
            if not issubclass(node.op, RelativeDeduplicate) or port != "reference":
                continue
            for name in sorted(contributors(graph, [ref.node]) & trained_on):
                if graph.nodes[name].kind == "source":
                    message = f"`{name}` is a benchmark of `{node.name}`, and its images are in the manifest"
                    also = (graph.nodes[name].span, "these images")
                    help = f"take `{name}` out of the manifest, or out of `reference`"
                    yield Finding("benchmark-in-manifest", message, ref.span, node=node.name, help=help, also=also)
