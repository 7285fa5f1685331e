"""A slow copy with momentum 1."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation
from graphssl.language.schedule import Schedule

EXPLAIN = Explanation(
    "ema-never-moves",
    "a slow copy has momentum 1 throughout, so it keeps its first weights",
    "Momentum is how much of the old value stays each step. A copy that is meant to stay fixed is a `frozen` node.",
    "graphssl: 1\nextends: moco_v2@quick\nname: mine\nparams: {momentum: 1.0}\n",
    "graphssl: 1\nextends: moco_v2@quick\nname: mine\nparams: {momentum: 0.99}\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    for node in graph:
        momentum = node.attrs.get("momentum")
        values = momentum.values() if isinstance(momentum, Schedule) else [momentum]
        if node.op.name == "ema" and all(value == 1.0 for value in values):
            message = f"`{node.name}` never moves: its momentum is 1"
            help = "use `op: frozen` for a fixed copy, or a momentum below 1"
            yield Finding("ema-never-moves", message, node.place("momentum"), "advice", node.name, help)
