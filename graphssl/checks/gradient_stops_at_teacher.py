"""A teacher fed with what the trained side computes: the gradient ends there."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.flow import is_teacher
from graphssl.ir.graph import Graph, Node
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation
from graphssl.language.spec import Ref

EXPLAIN = Explanation(
    "gradient-stops-at-teacher",
    "a teacher takes what the trained side computes, and the gradient ends there",
    "A teacher's head usually belongs behind the teacher's encoder. Fed from the trained encoder it computes something "
    "else than the paper, and the trained encoder learns nothing through it.",
    "graphssl: 1\nextends: byol@quick\nname: mine\nnodes:\n  ft: null\n  gt: {in: f}\n",
    "graphssl: 1\nextends: byol@quick\nname: mine\nnodes:\n  gt: {in: ft}\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    for node in graph:
        if not is_teacher(node) or node.kind == "module" or node.broken:  # gradient passes a frozen module
            continue
        for _, ref in node.refs():
            edge = graph.edge(ref)
            if edge and edge.grad:
                message = f"the teacher `{node.name}` takes `{ref}` of the trained side, and the gradient ends there"
                also = (graph.nodes[ref.node].span, f"`{ref.node}` is trained")
                yield Finding(
                    "gradient-stops-at-teacher", message, ref.span, "warning", node.name, _help(graph, node, ref), also
                )


def _help(graph: Graph, node: Node, ref: Ref) -> str:
    trained = graph.module_of(graph.nodes[ref.node]).name
    teacher = next((link.name for link in graph.links_to(trained) if is_teacher(link) and link is not node), None)
    instead = f"take `{teacher}`, the teacher of `{trained}`" if teacher else f"add a teacher of `{trained}`"
    return f"{instead}, or put a `stop_grad` between when it is meant"
