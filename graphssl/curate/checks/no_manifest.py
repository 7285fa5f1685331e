"""A curation without exactly one manifest."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.curate.flow import EXAMPLE, manifests, understood
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "no-manifest",
    "a curation has no `manifest`, or more than one",
    "The manifest lists the images to train on: without it nothing says which of the stages count.",
    EXAMPLE,
    f"{EXAMPLE}  manifest: {{op: manifest, in: [flowers, pool]}}\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    found = manifests(graph)
    if understood(graph) and len(found) != 1:
        last = list(graph)[-1]
        span, node = (found[1].span, found[1].name) if found else (last.span, last.name)
        message = f"a curation has one `manifest`, this one has {len(found) or 'none'}"
        help = "remove one" if found else "add `manifest: {op: manifest, in: [STAGE, …]}` with what to train on"
        yield Finding("no-manifest", message, span, node=None if not found else node, help=help)
