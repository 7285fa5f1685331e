"""Several machines that are not told where to meet."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.launch.config import Launch
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "launch-machines-unreachable",
    "a launch config has several machines and no address of the first",
    "Every machine has to know where the first one listens; otherwise each waits for itself until it gives up. The address may be "
    "given on the command line instead, as `--main_process_ip` and `--main_process_port`.",
    "distributed_type: MULTI_GPU\nnum_machines: 2\nnum_processes: 16\n",
    "distributed_type: MULTI_GPU\nnum_machines: 2\nnum_processes: 16\nmain_process_ip: 10.0.0.1\nmain_process_port: 29500\n",
    launch=True,
)


def check(graph: Graph, launch: Launch) -> Iterator[Finding]:
    missing = [key for key in ("main_process_ip", "main_process_port") if launch.get(key) is None]
    if launch.machines > 1 and missing:
        words = " and ".join(f"`{key}`" for key in missing)
        message = f"{launch.machines} machines cannot meet without {words}"
        help = f"set {words}, here or on the command line of `accelerate launch`"
        yield Finding("launch-machines-unreachable", message, launch.span("num_machines"), "warning", help=help)
