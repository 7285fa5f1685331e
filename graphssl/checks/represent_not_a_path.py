"""Evaluation has one image at a time: `represent` must be computable from it alone."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.ir.graph import Graph, Node
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation
from graphssl.language.spec import Ref

EXPLAIN = Explanation(
    "represent-not-a-path",
    "`represent` cannot be computed from one image",
    "Evaluation and export call one path: from an image through modules and pure ops with a single input each (a list of "
    "views on which all do the same is one path). A node that joins several branches, remembers, or mixes images is none.",
    "graphssl: 1\nextends: simclr@quick\nname: mine\nnodes:\n  both: {op: concat, in: f}\nrepresent: both\n",
    "graphssl: 1\nextends: simclr@quick\nname: mine\nrepresent: f\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    ref = graph.represent
    if ref is None or ref.node not in graph.nodes or any(graph.nodes[n].broken for n in graph.ancestors([ref.node])):
        return
    node = graph.nodes[ref.node]
    reason = _obstacle(graph, node)
    if reason is None or node.kind == "source":  # a source is no features, which is another finding
        return
    also = (reason[0].span, reason[1])
    why = f"it {reason[1]}" if reason[0] is node else f"`{reason[0].name}` {reason[1]}"
    message = f"`{ref}` cannot be computed from one image: {why}"
    help = "name a node that is reached from an image through single inputs, such as the encoder"
    yield Finding("represent-not-a-path", message, ref.span, node=ref.node, help=help, also=also)


def _obstacle(graph: Graph, node: Node) -> tuple[Node, str] | None:
    """The first node on the way back to an image that is no step of a path, and why."""
    while node.kind != "source":
        if node.kind not in ("module", "link", "pure"):
            return node, "remembers other images" if node.kind == "state" else "is a loss"
        if len(node.path) != 1:
            return node, f"has {len(node.path)} inputs"
        port = node.path[0]
        refs = node.inputs[port]
        if node.signature.inputs[port].takes_list:
            return node, "joins a list of values"
        if any(value.gathered for edge in node.outputs.values() for value in edge.values):
            return node, "holds the images of all ranks"
        if len({_way(graph, ref) for ref in refs}) > 1:
            return node, "joins inputs that were computed in different ways"
        node = graph.nodes[refs[0].node]
    return None


def _way(graph: Graph, ref: Ref) -> tuple[str, ...]:
    """What is done on the first way back from `ref`: names of modules and pure ops; the same for two views."""
    steps = []
    while (node := graph.nodes[ref.node]).kind != "source":
        steps.append(f"{graph.module_of(node).name}.{graph.port(ref)}" if node.root else f"{node.op.name} {node.attrs}")
        if not node.path or node.delayed:  # what it gives was stored before: the way back may lead round in a circle
            break
        ref = node.inputs[node.path[0]][0]
    return tuple(steps)
