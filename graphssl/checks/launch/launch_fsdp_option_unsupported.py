"""Options of sharding that would change what is learned."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.launch.config import Launch, true
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "launch-fsdp-option-unsupported",
    "`fsdp_config` of a launch config holds an option that cannot be used here",
    "Activation checkpointing as Accelerate does it draws dropout and drop-path anew when it computes a block again, so that gradients "
    "are those of another network. What is sharded together follows from the graph (the blocks of each encoder), not from sizes. A "
    "module that the launcher compiles has other names for its parameters than the graph.",
    "distributed_type: FSDP\nnum_processes: 8\nfsdp_config: {fsdp_version: 2, fsdp_activation_checkpointing: true}\n",
    "distributed_type: FSDP\nnum_processes: 8\nfsdp_config: {fsdp_version: 2}\n",
    launch=True,
)


def check(graph: Graph, launch: Launch) -> Iterator[Finding]:
    if launch.kind != "FSDP":
        return
    if true(launch.fsdp("activation_checkpointing")):
        message = "Accelerate's activation checkpointing draws dropout and drop-path anew when it computes again"
        span = launch.fsdp_span("activation_checkpointing")
        help = "set it to false, and `checkpoint: true` on the encoder: it draws the same again"
        yield Finding("launch-fsdp-option-unsupported", message, span, help=help)
    if str(launch.fsdp("auto_wrap_policy")).upper() == "SIZE_BASED_WRAP":
        message = "what is sharded together follows from the graph, not from sizes"
        span = launch.fsdp_span("auto_wrap_policy")
        yield Finding("launch-fsdp-option-unsupported", message, span, help="remove `fsdp_auto_wrap_policy`")
    dynamo = launch.get("dynamo_config", {})
    backend = dynamo.get("dynamo_backend", dynamo.get("backend")) if isinstance(dynamo, dict) else None
    if str(backend or "NO").upper() != "NO":
        message = "a module cannot be both sharded and compiled by the launcher"
        yield Finding(
            "launch-fsdp-option-unsupported", message, launch.span("dynamo_config"), help="remove `dynamo_config`"
        )
