"""A loss that compares an augmented view with itself."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.flow import comparisons, complete, has_mask, modules_behind
from graphssl.ir.graph import Graph, Node
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "same-view",
    "both sides of a loss were computed from the same augmented view",
    "What two views of an image share is what gets learned; with one view on both sides everything is shared, and the "
    "network need not learn any invariance.",
    "graphssl: 1\nextends: moco_v2@quick\nname: mine\nnodes:\n  vk: null\n  fk: {in: vq}\n",
    "graphssl: 1\nextends: moco_v2@quick\nname: mine\nnodes:\n  fk: {in: vk}\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    if not complete(graph) or has_mask(graph):
        return
    for loss, left, right in comparisons(graph):
        tied = modules_behind(graph, loss.inputs[left]) & modules_behind(graph, loss.inputs[right])
        views = _pairs(loss, left, right)
        if "pairs" in loss.spans or not tied or not views or any(a is None or a != b for a, b in views):
            continue
        message = f"`{loss.name}` compares `{views[0][0]}` with itself"
        ref = loss.inputs[right][0]
        also = (loss.inputs[left][0].span, "the same view is here")
        help = "compute one side from another view, or write `pairs: same` when it is meant"
        yield Finding("same-view", message, ref.span, "warning", loss.name, help, also)


def _pairs(loss: Node, left: str, right: str) -> list[tuple[str | None, str | None]]:
    a, b = loss.given[left].values, loss.given[right].values
    pairs = loss.pairs if loss.pairs is not None else ((0, 0),)
    return [(a[i].view, b[j].view) for i, j in pairs]
