"""Several processes asked for where Accelerate starts one."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.launch.config import Launch
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "launch-starts-one-process",
    "a launch config asks for several processes, and Accelerate would start a single one",
    "With `MULTI_CPU` and without MPI, and with `NO`, `accelerate launch` runs the command once, whatever `num_processes` says, "
    "and does not tell.",
    "distributed_type: MULTI_CPU\nnum_processes: 2\n",
    "distributed_type: MULTI_GPU\nnum_processes: 2\n",
    launch=True,
)


def check(graph: Graph, launch: Launch) -> Iterator[Finding]:
    alone = launch.kind == "NO" or (launch.kind == "MULTI_CPU" and not launch.get("mpirun_config"))
    if alone and launch.processes > 1:
        message = f"`{launch.kind}` starts one process, not {launch.processes}"
        help = "write `distributed_type: MULTI_GPU`, which starts them on a CPU as well"
        also = (launch.span("distributed_type"), "this decides it")
        yield Finding("launch-starts-one-process", message, launch.span("num_processes"), help=help, also=also)
