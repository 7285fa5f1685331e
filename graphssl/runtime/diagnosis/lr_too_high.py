"""Steps so long that the weights they begin from count for nothing."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation
from graphssl.runtime.diagnosis import causes
from graphssl.runtime.diagnosis.history import History

EXPLAIN = Explanation(
    "lr-too-high",
    "the weights of a module grow manyfold within a few measurements",
    "Weights that are five times as long as a few measurements ago are four fifths new: nothing that they began from is left. "
    "Normalisation layers hide it, since they make the output independent of the length of the weights; gradients then shrink as "
    "weights grow, and the loss stays finite while representations lose rank or become constant. Usual causes: a learning "
    "rate that is too high for the optimizer (adaptive ones take 1e-4 to 1e-2), one meant for a larger batch, no warm-up.",
)


def look(graph: Graph, history: History) -> Iterator[Finding]:
    if not (growth := causes.fastest_growth(graph, history)):
        return
    node, before, now = growth
    lr = history.newest.get("lr")
    message = (
        f"the weights of `{node.name}` grew {now.value / before.value:.2g} times as long from step {before.step} to step {now.step}"
        + (f", with learning rate {lr:.3g}" if lr is not None else "")
    )
    span = graph.train.spans.get("lr", graph.train.span) if graph.train else node.span
    peak = graph.train.peak_lr() if graph.train else 0
    help = f"lower `train.lr`, whose peak is {peak:.3g}: a tenth, or a hundredth of it; or give it a longer warm-up"
    yield Finding(EXPLAIN.code, message, span, "warning", None, help)
