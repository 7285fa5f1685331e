"""Where the samples of a batch begin to meet: what is computed sample by sample, and what needs all of them at once."""

from __future__ import annotations

from dataclasses import dataclass

from graphssl.ir.graph import Graph, Node
from graphssl.language.spec import Ref


@dataclass(frozen=True)
class Parts:
    """The nodes of a graph, cut in two.

    by_sample: nodes whose rows depend on one sample each, those that training must run again first.
    again: how many of them those are: what the gradient that reaches the cut flows through, and all it needs.
    whole: the other nodes, which see the whole batch.
    cut: what `whole` and the monitors take from `by_sample`. learning: those of the cut that carry gradient.
    """

    by_sample: tuple[Node, ...]
    again: int
    whole: tuple[Node, ...]
    cut: tuple[Ref, ...]
    learning: tuple[Ref, ...]


def parts_of(graph: Graph) -> Parts:
    """Cut a graph at the point after which samples interact."""
    apart: dict[str, Node] = {}
    for node in graph:
        if node.op.row_by_row(node.attrs) and not node.delayed and all(ref.node in apart for _, ref in node.refs()):
            apart[node.name] = node
    whole = tuple(node for node in graph if node.name not in apart)
    taken = [ref for node in whole for _, ref in node.refs()] + [ref for _, ref in graph.monitors]
    named = [graph.canonical(ref) for ref in taken if ref.node in apart]
    cut = tuple({str(ref): ref for ref in named}.values())
    learning = tuple(ref for ref in cut if (edge := graph.edge(ref)) and edge.grad)
    needed = graph.ancestors(ref.node for ref in learning)
    first = [node for node in apart.values() if node.name in needed]
    rest = [node for node in apart.values() if node.name not in needed]
    return Parts((*first, *rest), len(first), whole, cut, learning)
