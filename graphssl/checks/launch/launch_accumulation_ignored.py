"""Micro-batches that the launcher is to make."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.launch.config import Launch
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "launch-accumulation-ignored",
    "`gradient_accumulation_steps` of a launch config is another than `train.accumulate`",
    "Accumulation is a part of the recipe: schedules, slow copies and queues count whole steps. `train.accumulate` holds. At the top of "
    "its config Accelerate does not even know the key.",
    "distributed_type: MULTI_GPU\nnum_processes: 8\ngradient_accumulation_steps: 4\n",
    "distributed_type: MULTI_GPU\nnum_processes: 8\n",
    launch=True,
)

KEY = "gradient_accumulation_steps"


def check(graph: Graph, launch: Launch) -> Iterator[Finding]:
    deepspeed = launch.get("deepspeed_config", {})
    path = (KEY,) if KEY in launch.tree else ("deepspeed_config", KEY)
    given = launch.get(KEY, deepspeed.get(KEY) if isinstance(deepspeed, dict) else None)
    if given is None or graph.train is None or (given == graph.train.accumulate and len(path) > 1):
        return
    message = f"`{KEY}: {given}` has no effect: the recipe accumulates over {graph.train.accumulate}"
    help = f"remove it, and train with `--set train.accumulate={given}` if that is meant"
    yield Finding("launch-accumulation-ignored", message, launch.span(*path), help=help)
