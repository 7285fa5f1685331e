"""torch.compile switched on by the launcher."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.launch.config import Launch
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "launch-compiles",
    "a launch config switches on torch.compile for the whole module",
    "The module takes the number of the step, so that it would be compiled again and again, and collectives between ranks "
    "break it into pieces.",
    "distributed_type: MULTI_GPU\nnum_processes: 8\ndynamo_config: {dynamo_backend: INDUCTOR}\n",
    "distributed_type: MULTI_GPU\nnum_processes: 8\n",
    launch=True,
)


def check(graph: Graph, launch: Launch) -> Iterator[Finding]:
    given = launch.get("dynamo_config", {})
    backend = given.get("dynamo_backend", given.get("backend")) if isinstance(given, dict) else None
    if backend is not None and str(backend).upper() != "NO":
        message = f"the launcher would compile the whole module with `{backend}`"
        span = launch.span("dynamo_config", "dynamo_backend" if "dynamo_backend" in given else "backend")
        yield Finding("launch-compiles", message, span, help="remove `dynamo_config`")
