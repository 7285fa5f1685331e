"""A stage of which nothing reaches the manifest."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.curate.flow import EXAMPLE, manifests, understood
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "stage-not-kept",
    "nothing of a stage reaches the manifest",
    "It costs time and changes nothing; often a reference was meant to name it.",
    f"{EXAMPLE}  manifest: {{op: manifest, in: pool}}\n",
    f"{EXAMPLE}  manifest: {{op: manifest, in: [pool, flowers]}}\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    if not understood(graph) or len(manifests(graph)) != 1:
        return
    reached = graph.ancestors([manifests(graph)[0].name])
    for node in graph:
        if node.name not in reached and node.kind != "manifest":
            message = f"nothing of `{node.name}` reaches the manifest"
            help = "name it where it is meant, or remove it"
            yield Finding("stage-not-kept", message, node.span, "warning", node.name, help)
