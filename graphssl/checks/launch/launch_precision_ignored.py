"""A precision that the launcher sets and the recipe sets otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.launch.config import Launch
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "launch-precision-ignored",
    "`mixed_precision` of a launch config is another than `train.precision`",
    "Precision is a part of the recipe, so that a run does not depend on who starts it: `train.precision` holds, and what the launch "
    "config says has no effect. `no`, which Accelerate writes by itself, is never a contradiction.",
    "distributed_type: MULTI_GPU\nnum_processes: 8\nmixed_precision: fp8\n",
    "distributed_type: MULTI_GPU\nnum_processes: 8\nmixed_precision: 'no'\n",
    launch=True,
)


def check(graph: Graph, launch: Launch) -> Iterator[Finding]:
    given = launch.get("mixed_precision", "no")
    if graph.train is None or given in ("no", False, graph.train.precision):
        return
    if (graph.train.precision, given) == ("auto", "bf16"):
        return
    message = f"`mixed_precision: {given}` has no effect: the recipe trains in {graph.train.precision}"
    place = graph.train.spans.get("precision")
    also = (place, "set here") if place else None
    help = f"remove it, or train with `--set train.precision={given}`" if given in ("bf16", "fp16") else "remove it"
    yield Finding("launch-precision-ignored", message, launch.span("mixed_precision"), "warning", help=help, also=also)
