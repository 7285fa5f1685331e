"""Keys of a launch config that Accelerate does not know."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.launch.config import FSDP_KEYS, KEYS, Launch
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding, did_you_mean
from graphssl.language.explanation import Explanation
from graphssl.language.tree import Mapping

EXPLAIN = Explanation(
    "launch-key-unknown",
    "a launch config holds a key that Accelerate does not know",
    "At the top of the file Accelerate refuses to start; inside `fsdp_config` it ignores the key and takes its default.",
    "distributed_type: MULTI_GPU\nnum_processs: 8\n",
    "distributed_type: MULTI_GPU\nnum_processes: 8\n",
    launch=True,
)


def check(graph: Graph, launch: Launch) -> Iterator[Finding]:
    for entry in launch.tree:
        if entry.key not in (*KEYS, "gradient_accumulation_steps"):  # which has a rule of its own
            help = did_you_mean(entry.key, KEYS)
            yield Finding("launch-key-unknown", f"Accelerate knows no key `{entry.key}`", entry.key_span, help=help)
    fsdp = launch.tree.get("fsdp_config")
    for entry in fsdp if isinstance(fsdp, Mapping) else ():
        if entry.key not in FSDP_KEYS and f"fsdp_{entry.key}" not in FSDP_KEYS:
            message = f"Accelerate ignores `{entry.key}` in `fsdp_config`"
            yield Finding("launch-key-unknown", message, entry.key_span, help=did_you_mean(entry.key, FSDP_KEYS))
