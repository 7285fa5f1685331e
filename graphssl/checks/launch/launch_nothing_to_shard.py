"""Encoders without the blocks that sharding gathers one at a time."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.launch.config import Launch
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "launch-nothing-to-shard",
    "a launch config asks for FSDP, and an encoder has no transformer blocks",
    "Weights are gathered block by block, so that a process holds one block at a time. An encoder without blocks, such as a ResNet "
    "with its BatchNorm, is gathered whole for the length of a step: the numbers are right, only gradients and optimizer state take "
    "less memory, and a step communicates more than with `MULTI_GPU`.",
    "distributed_type: FSDP\nnum_processes: 8\nfsdp_config: {fsdp_version: 2}\n",
    "distributed_type: MULTI_GPU\nnum_processes: 8\n",
    launch=True,
)


def check(graph: Graph, launch: Launch) -> Iterator[Finding]:
    if launch.kind != "FSDP":
        return
    from graphssl.checks.dry_run import on_meta

    module = on_meta(graph)
    for node in graph:
        if node.op.name == "encoder" and not hasattr(module.get_submodule(node.name.replace("/", "_")), "blocks"):
            message = f"`{node.name}` ({node.attrs['arch']}) has no transformer blocks: FSDP gathers it whole"
            help = "use `distributed_type: MULTI_GPU`"
            also = (node.place("arch"), "the encoder")
            span = launch.span("distributed_type")
            yield Finding("launch-nothing-to-shard", message, span, "warning", node.name, help, also)
