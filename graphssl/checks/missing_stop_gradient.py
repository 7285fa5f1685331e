"""A loss without negatives whose target is trained towards the prediction."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.flow import comparisons, complete, kept_apart, modules_behind
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "missing-stop-gradient",
    "the target of a loss without negatives carries gradient",
    "When both sides may move towards each other and nothing pushes images apart, the shortest way to a low loss is the "
    "same vector for every image (arXiv:2011.10566, section 4.1). A stop-gradient or an EMA-link on the target's side "
    "prevents it.",
    "graphssl: 1\nextends: simsiam@quick\nname: mine\nnodes:\n  t: null\n  loss: {in: {target: g}}\n",
    "graphssl: 1\nextends: simsiam@quick\nname: mine\nnodes:\n  t: {op: stop_grad, in: g}\n  loss: {in: {target: t}}\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    if not complete(graph):
        return
    for loss, left, right in comparisons(graph):
        extra = modules_behind(graph, loss.inputs[left]) - modules_behind(graph, loss.inputs[right])
        if loss.given[right].grad and loss.given[left].grad and extra and not kept_apart(graph, loss):
            ref = loss.inputs[right][0]
            message = (
                f"the target `{ref}` of `{loss.name}` carries gradient, so both sides may collapse to one constant"
            )
            help = f"put a node `{{op: stop_grad, in: {ref}}}` between, or take an `ema` copy"
            also = (graph.nodes[ref.node].span, f"`{ref.node}` is trained")
            yield Finding("missing-stop-gradient", message, ref.span, "warning", loss.name, help, also)
