"""Numbers that grow without end, or are none any more."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median

from graphssl.checks import flow
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation
from graphssl.runtime.diagnosis import causes
from graphssl.runtime.diagnosis.history import History

EXPLAIN = Explanation(
    "exploding",
    "a loss or a gradient grows without end",
    "Told where a loss is not a finite number, or where the gradient of a module has a norm of more than a hundred times the median "
    "of the measurements before. Usual causes: a learning rate that is too high, no warm-up, fp16 without enough range.",
)
TIMES = 100
BEFORE = 3


def look(graph: Graph, history: History) -> Iterator[Finding]:
    for loss in flow.learning(graph):
        value = history.newest.get(loss.name)
        if value is not None and not math.isfinite(value):
            message = f"`{loss.name}` is {value} at step {history.newest['step']}"
            yield Finding(EXPLAIN.code, message, loss.span, "warning", loss.name, _help(graph, history))
    for node in causes.trained(graph):
        now, before = history.newest_of(node.name, "grad_norm"), history.of(node.name, "grad_norm")[:-1]
        if not now or len(before) < BEFORE:
            continue
        usual = median(point.value for point in before)
        if 0 < TIMES * usual < now.value:
            message = f"the gradient of `{node.name}` has norm {now.value:.3g} at step {now.step}, usually {usual:.3g}"
            yield Finding(EXPLAIN.code, message, node.span, "warning", node.name, _help(graph, history))


def _help(graph: Graph, history: History) -> str:
    return causes.shorter_steps(graph, history) or (
        "lower the learning rate, give it a warm-up (`train.warmup`), clip gradients (`train.clip`), or leave fp16"
    )
