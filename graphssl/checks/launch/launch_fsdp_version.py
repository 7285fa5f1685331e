"""Sharding in its first version."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.launch.config import Launch
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "launch-fsdp-version",
    "a launch config asks for FSDP without `fsdp_version: 2`",
    "Version 1, Accelerate's default, flattens parameters into one tensor: slow copies pair them by name, rules of `train.groups` and "
    "clipping look at each, and a frozen copy may not lie beside what is trained.",
    "distributed_type: FSDP\nnum_processes: 8\nfsdp_config: {fsdp_sharding_strategy: FULL_SHARD}\n",
    "distributed_type: FSDP\nnum_processes: 8\nfsdp_config: {fsdp_version: 2}\n",
    launch=True,
)


def check(graph: Graph, launch: Launch) -> Iterator[Finding]:
    version = launch.fsdp("version")
    if launch.kind == "FSDP" and str(version) != "2":
        given = "1, Accelerate's default," if version is None else str(version)
        message = f"FSDP version {given} is not supported"
        span = launch.span("distributed_type") if version is None else launch.fsdp_span("version")
        help = "write `fsdp_version: 2` into `fsdp_config`; `accelerate to-fsdp2` translates an old file"
        yield Finding("launch-fsdp-version", message, span, help=help)
