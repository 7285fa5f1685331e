"""What a compiler that sees the whole step can save: one rewrite per file, in the order of this table.

A pass changes the plan of a graph (`graphssl.ir.plan`), how a step is computed, never its nodes: losses, gradients and state
stay what they are, to the bit or, where sums run in another order, to rounding. It is a docstring and `run(graph)`.
What each earns is measured by `benchmarks/passes.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from graphssl.ir.graph import Graph
from graphssl.passes import (
    freed_values,
    idle_nodes,
    merged_calls,
    merged_gathers,
    needless_gradient,
    teachers_first,
)


class Pass(Protocol):
    """What the file of a pass holds."""

    __name__: str

    def run(self, graph: Graph, /) -> Graph: ...


PASSES: tuple[Pass, ...] = (
    needless_gradient,
    idle_nodes,
    merged_calls,
    merged_gathers,
    teachers_first,
    freed_values,  # when the order is settled
)


def optimize(graph: Graph, passes: Sequence[Pass] = PASSES) -> Graph:
    """The graph with a plan of how to compute a step."""
    for each in passes:
        graph = each.run(graph)
    return graph
