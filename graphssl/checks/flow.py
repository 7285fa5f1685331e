"""Questions about the way of values and gradients that several rules ask."""

from __future__ import annotations

from collections.abc import Iterable

from graphssl.ir.graph import Graph, Node
from graphssl.ir.signature import Link, Loss
from graphssl.language.diagnostics import Span
from graphssl.language.resolve import TOP_LEVEL, kind_of
from graphssl.language.spec import Ref
from graphssl.language.tree import Mapping, at


def complete(graph: Graph) -> bool:
    """Whether every node and reference was understood; if not, what a node lacks may stand in the part that was not."""
    tops = [ref for ref in (graph.represent, *(ref for _, ref in graph.monitors)) if ref]
    nodes = graph.spec.tree.get("nodes")
    written = len(nodes.entries) if isinstance(nodes, Mapping) else 0
    return (
        bool(graph.nodes)
        and written == len(graph.nodes)
        and not any(node.broken for node in graph)
        and all(graph.edge(ref) for ref in tops)
        and len(graph.monitors) == len(getattr(graph.spec.tree.get("monitors"), "entries", ()))
        and bool(graph.represent) == ("represent" in graph.spec.tree)
    )


def misspelt(graph: Graph) -> bool:
    """Whether the file holds a top-level key that is none: it may stand for one that seems to lack."""
    return any(entry.key not in TOP_LEVEL[kind_of(graph.spec.tree)] for entry in graph.spec.tree)


def head(graph: Graph) -> Span:
    """A place for what concerns the whole file: its `name`."""
    tree = graph.spec.tree
    return tree.entries["name"].key_span if "name" in tree else tree.span


def place(graph: Graph, *path: str | int) -> Span:
    """Where the value at `path` of the file stands, or the deepest part of it that exists."""
    return at(graph.spec.tree, list(path)).span


def is_teacher(node: Node) -> bool:
    """A node whose weights no gradient trains: a copy, or a frozen module."""
    return (issubclass(node.op, Link) and not node.op.trained) or bool(node.attrs.get("frozen"))


def used(graph: Graph, names: Iterable[str]) -> set[str]:
    """`names` and every node they are made from: through inputs, stored ones too, and through `of`."""
    found: set[str] = set()
    waiting = [name for name in names if name in graph.nodes]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        node = graph.nodes[name]
        refs = [ref for _, ref in node.refs()] + ([node.of] if node.of else [])
        waiting += [ref.node for ref in refs if ref.node in graph.nodes]
    return found


def purposes(graph: Graph) -> list[str]:
    """Nodes that are an end in themselves: losses, states, what is represented and monitored."""
    tops = [ref.node for ref in (graph.represent, *(ref for _, ref in graph.monitors)) if ref]
    return [node.name for node in graph.of_kind("loss", "state")] + tops


def learning(graph: Graph) -> list[Node]:
    """The losses that train the method; probes only watch it."""
    return [node for node in graph.losses() if not node.op.observer]


def reached(graph: Graph, losses: Iterable[Node]) -> set[str]:
    """Modules that the gradient of `losses` trains."""
    found: set[str] = set()
    seen: set[str] = set()
    waiting = [ref for loss in losses for ref in _backward(loss)]
    while waiting:
        ref = waiting.pop()
        node = graph.nodes.get(ref.node)
        edge = graph.edge(ref)
        if node is None or edge is None or not edge.grad or str(ref) in seen:
            continue
        seen.add(str(ref))
        if node.root and not is_teacher(node):
            found.add(graph.module_of(node).name)
        waiting += _backward(node)
    return found


def _backward(node: Node) -> list[Ref]:
    """References that gradient flows back to from a node."""
    inputs = node.signature.inputs
    return [ref for port, ref in node.refs() if port in inputs and not inputs[port].blocks_gradient]


def modules_behind(graph: Graph, refs: Iterable[Ref]) -> set[str]:
    """Modules whose weights, or a copy of them, lie on the way to `refs`; stored values end the way."""
    names = graph.ancestors(ref.node for ref in refs)
    return {root for name in names if (root := graph.nodes[name].root)}


def moving_copies(graph: Graph, refs: Iterable[Ref]) -> set[str]:
    """Modules like `modules_behind`, but only those whose weights there change during training."""
    names = graph.ancestors(ref.node for ref in refs)
    nodes = [graph.nodes[name] for name in names]
    return {node.root for node in nodes if node.root and node.op.name != "frozen" and not node.attrs.get("frozen")}


def has_mask(graph: Graph) -> bool:
    """Whether parts of the views are hidden: then even two branches of one view differ."""
    return any(node.gives("mask") for node in graph)


def comparisons(graph: Graph) -> list[tuple[Node, str, str]]:
    """Losses that compare two inputs, with the names of the two (the second is the target)."""
    return [
        (node, *node.op.paired)
        for node in learning(graph)
        if issubclass(node.op, Loss) and len(node.op.paired) == 2 and all(port in node.given for port in node.op.paired)
    ]


def kept_apart(graph: Graph, loss: Node) -> bool:
    """Whether something keeps the outputs behind `loss` from becoming one constant: negatives, or another such term.

    It may be the loss itself, an op on the way to it, or another loss on the same weights.
    """
    if loss.op.prevents_collapse:
        return True
    refs = [ref for _, ref in loss.refs()]
    if any(graph.nodes[name].op.prevents_collapse for name in graph.ancestors(ref.node for ref in refs)):
        return True
    mine = reached(graph, [loss])
    return any(other.op.prevents_collapse and mine & reached(graph, [other]) for other in learning(graph))
