"""Steps so long that the weights they begin from count for nothing."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks import flow
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation
from graphssl.runtime.diagnosis import causes
from graphssl.runtime.diagnosis.history import History

EXPLAIN = Explanation(
    "lr-too-high",
    "steps are so long that weights are replaced instead of improved",
    "A usual step changes the weights of a module by a thousandth of their length; at 2 %, fifty steps replace them. Told where a step "
    "changes that much and weights have become twice as long within 100 steps, or since the measurement before. Normalisation "
    "layers hide it: the output does not depend on the length of the weights, gradients shrink as weights grow, and the loss "
    "stays finite while representations lose rank or become constant. Usual causes: a learning rate that is too high for the "
    "optimizer (adaptive ones take 1e-4 to 5e-3), one meant for a larger batch, no warm-up.",
)


def look(graph: Graph, history: History) -> Iterator[Finding]:
    if not (growth := causes.long_steps(graph, history)):
        return
    node, before, now, step = growth
    message = (
        f"a step changes the weights of `{node.name}` by {step:.1%} at step {now.step}, and they are {growth.times:.2g} times as "
        f"long as at step {before.step}"
    )
    train = graph.train
    span = flow.place(graph, "train", "lr", "base")
    help = (
        f"lower `train.lr`, whose peak is {train.peak_lr():.3g}, tenfold or more"
        if train
        else "lower the learning rate"
    )
    yield Finding(EXPLAIN.code, message, span, "warning", node.name, help)
