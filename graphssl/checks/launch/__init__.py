"""What is checked of a method together with the config of its launcher: one rule per file, in the order of this table.

A rule is as in `graphssl.checks`, and its `check(graph, launch)` sees both. The example of its explanation is such a config.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from graphssl.checks import bn_group_does_not_divide
from graphssl.checks.launch import (
    launch_accumulation_ignored,
    launch_batch_not_divisible,
    launch_engine_unsupported,
    launch_fsdp_option_unsupported,
    launch_fsdp_version,
    launch_key_unknown,
    launch_machines_unreachable,
    launch_nothing_to_shard,
    launch_precision_ignored,
    launch_processes_uneven,
    launch_starts_one_process,
)
from graphssl.checks.launch.config import Launch
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation


class LaunchRule(Protocol):
    """What the file of a rule holds."""

    EXPLAIN: Explanation

    def check(self, graph: Graph, launch: Launch, /) -> Iterator[Finding]: ...


LAUNCH_CHECKS: tuple[LaunchRule, ...] = (
    # the file
    launch_key_unknown,
    launch_engine_unsupported,
    # how many processes there will be
    launch_starts_one_process,
    launch_processes_uneven,
    launch_machines_unreachable,
    # what the recipe says otherwise
    launch_batch_not_divisible,
    launch_precision_ignored,
    launch_accumulation_ignored,
    # sharding
    launch_fsdp_version,
    launch_fsdp_option_unsupported,
)

BUILT_CHECKS: tuple[LaunchRule, ...] = (launch_nothing_to_shard,)
"""Rules that build the module on the meta device."""


def launch_findings(graph: Graph, launch: Launch, *, static: bool = False) -> Iterator[Finding]:
    """What would go wrong when `graph` is trained under `launch`; `static` leaves out what needs torch."""
    for rule in LAUNCH_CHECKS if static else (*LAUNCH_CHECKS, *BUILT_CHECKS):
        yield from rule.check(graph, launch)
    if (
        graph.train and graph.train.batch_size % (launch.processes * graph.train.accumulate) == 0
    ):  # told above otherwise
        yield from bn_group_does_not_divide.check(graph, launch.processes)
