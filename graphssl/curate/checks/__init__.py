"""What is checked once a curation is read: one rule per file, in the order of this table, as `graphssl.checks` has it."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks import Rule
from graphssl.curate.checks import (
    benchmark_in_manifest,
    command_in_file,
    levels_not_decreasing,
    no_manifest,
    queries_in_pool,
    stage_not_kept,
)
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding

CURATION_CHECKS: tuple[Rule, ...] = (
    no_manifest,
    stage_not_kept,
    benchmark_in_manifest,
    queries_in_pool,
    levels_not_decreasing,
    command_in_file,
)


def findings_of(graph: Graph) -> Iterator[Finding]:
    """Findings of every rule; none stumbles over stages that were refused before."""
    for rule in CURATION_CHECKS:
        yield from rule.check(graph)
