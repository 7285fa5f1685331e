"""Processes that the machines cannot share evenly."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.launch.config import Launch
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "launch-processes-uneven",
    "`num_processes` of a launch config is no multiple of `num_machines`",
    "`num_processes` counts those of all machines together. Accelerate starts the rounded-down quotient on each, so that fewer "
    "take part than the file says.",
    "distributed_type: MULTI_GPU\nnum_machines: 2\nnum_processes: 9\nmain_process_ip: 10.0.0.1\nmain_process_port: 29500\n",
    "distributed_type: MULTI_GPU\nnum_machines: 2\nnum_processes: 16\nmain_process_ip: 10.0.0.1\nmain_process_port: 29500\n",
    launch=True,
)


def check(graph: Graph, launch: Launch) -> Iterator[Finding]:
    if launch.processes % launch.machines:
        message = f"{launch.processes} processes cannot be shared by {launch.machines} machines"
        help = "`num_processes` counts those of all machines: make it a multiple of `num_machines`"
        also = (launch.span("num_machines"), "the machines")
        yield Finding("launch-processes-uneven", message, launch.span("num_processes"), help=help, also=also)
