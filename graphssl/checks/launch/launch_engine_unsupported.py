"""Engines that would take over what the graph describes."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.launch.config import Launch
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "launch-engine-unsupported",
    "a launch config chooses an engine that graphssl does not run under",
    "DeepSpeed and Megatron-LM own the parameters, the clipping and the step, which the graph and `train:` describe: slow copies "
    "would follow flattened buffers, and groups, freezing and clipping by node would silently be something else.",
    "distributed_type: DEEPSPEED\nnum_processes: 8\ndeepspeed_config: {zero_stage: 3}\n",
    "distributed_type: FSDP\nnum_processes: 8\nfsdp_config: {fsdp_version: 2}\n",
    launch=True,
)

SUPPORTED = ("NO", "MULTI_GPU", "MULTI_CPU", "FSDP")
SHARDED = "to split weights over processes, use `distributed_type: FSDP` with `fsdp_config: {fsdp_version: 2}`"


def check(graph: Graph, launch: Launch) -> Iterator[Finding]:
    if launch.kind not in SUPPORTED:
        message = f"graphssl does not run under `{launch.kind}`"
        help = SHARDED if launch.kind in ("DEEPSPEED", "MEGATRON_LM") else "use `MULTI_GPU`, `FSDP` or `MULTI_CPU`"
        yield Finding("launch-engine-unsupported", message, launch.span("distributed_type"), help=help)
    environment = launch.get("compute_environment", "LOCAL_MACHINE")
    if environment != "LOCAL_MACHINE":
        message = f"graphssl is launched on machines of your own, not through `{environment}`"
        help = "write `compute_environment: LOCAL_MACHINE`"
        yield Finding("launch-engine-unsupported", message, launch.span("compute_environment"), help=help)
    if launch.get("parallelism_config"):
        message = "every process trains the whole graph on its part of the batch; tensors are not split"
        help = "remove `parallelism_config`"
        yield Finding("launch-engine-unsupported", message, launch.span("parallelism_config"), help=help)
