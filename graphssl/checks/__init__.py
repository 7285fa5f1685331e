"""What is checked once a graph is typed: one rule per file, in the order of this table."""

from __future__ import annotations

from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding

CHECKS: tuple = ()


def static_findings(graph: Graph) -> list[Finding]:
    """Findings of every rule that needs no torch."""
    return [finding for check in CHECKS for finding in check(graph)]


def dry_run_findings(graph: Graph) -> list[Finding]:
    return []
