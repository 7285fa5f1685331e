"""Two branches tied by their weights, and nothing that keeps them from giving one constant vector."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.flow import comparisons, complete, kept_apart, modules_behind, moving_copies
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "collapse-risk",
    "nothing keeps the network from giving the same vector for every image",
    "Two branches with the same weights, or one a slow copy of the other, agree perfectly when both are constant. "
    "What is known to prevent it: negatives, a variance or entropy term, centring with sharpening, or a predictor on one "
    "side with no gradient into the other. This graph has none of them.",
    "graphssl: 1\nextends: byol@quick\nname: mine\nnodes:\n  q: null\n  loss: {in: {prediction: g}}\n",
    "graphssl: 1\nextends: byol@quick\nname: mine\nnodes:\n  q: {in: g}\n  loss: {in: {prediction: q}}\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    if not complete(graph):
        return
    for loss, left, right in comparisons(graph):
        ours, theirs = modules_behind(graph, loss.inputs[left]), modules_behind(graph, loss.inputs[right])
        if not loss.given[left].grad or ours - theirs or kept_apart(graph, loss):
            continue
        if not ours & moving_copies(graph, loss.inputs[right]):
            continue
        lacks = ", no predictor and no stop-gradient" if loss.given[right].grad else " and no predictor"
        message = f"`{loss.name}` has no negatives{lacks}, so `{loss.inputs[left][0]}` may become constant"
        help = f"add a predictor on the side of `{left}`, a loss with negatives, or a variance term"
        if any(value.kind == "probabilities" for value in loss.given[right].values):
            help = (
                "centre what the target is computed from, for example with `{op: center, in: NODE}`, or use `sinkhorn`"
            )
        span = loss.inputs[right][0].span
        also = (span, "with the same weights as the other side")
        yield Finding("collapse-risk", message, loss.span, "warning", loss.name, help, also)
