"""Evaluation needs one vector per image."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "represent-kind",
    "`represent` names something that is not one vector per image",
    "kNN and linear evaluation compare one vector per image, so `represent` takes features (b d).",
    "graphssl: 1\nextends: simclr@quick\nname: mine\nrepresent: f.map\n",
    "graphssl: 1\nextends: simclr@quick\nname: mine\nrepresent: f.pooled\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    ref = graph.represent
    for value in graph.values(ref)[:1] if ref else ():
        if ref and value.kind not in ("features", "unknown"):
            words = f"{value.kind} ({' '.join(map(str, value.axes))})" if value.axes else value.kind
            node = graph.nodes[ref.node]
            also = (node.span, f"`{ref.node}` ({node.signature.name}) is declared here")
            message = f"`represent` expects features (b d), got {words} from `{ref}`"
            help = f"write `represent: {ref.node}.pooled`" if value.kind in ("tokens", "map") else "name an encoder"
            yield Finding("represent-kind", message, ref.span, node=ref.node, help=help, also=also)
