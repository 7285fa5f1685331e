"""Words and selections that the phrases of a diff are made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from graphssl.ir.graph import Node
from graphssl.ir.signature import Op
from graphssl.views.diff.compare import Diff, NodeDiff
from graphssl.views.diff.values import line


@dataclass(frozen=True)
class Phrase:
    """form: `without`, `with`, or `clause` for a statement of its own."""

    form: str
    text: str


def term(op: type[Op]) -> str:
    """`a queue of past keys`: what a sentence calls an op."""
    return op.term or line(op.name.replace("_", " "))


def the(op: type[Op]) -> str:
    """`the queue of past keys`."""
    first, _, rest = term(op).partition(" ")
    return f"the {rest}" if first in ("a", "an") else term(op)


def bare(op: type[Op]) -> str:
    """`queue of past keys`."""
    first, _, rest = term(op).partition(" ")
    return rest if first in ("a", "an", "the") else term(op)


def gone(diff: Diff, *kinds: str) -> list[Node]:
    """Nodes of `a` that `b` has no counterpart of."""
    return [diff.a.nodes[n.old] for n in diff.nodes if n.old and n.new is None and diff.a.nodes[n.old].kind in kinds]


def come(diff: Diff, *kinds: str) -> list[Node]:
    """Nodes of `b` that have no counterpart in `a`."""
    return [diff.b.nodes[n.new] for n in diff.nodes if n.new and n.old is None and diff.b.nodes[n.new].kind in kinds]


def kept(diff: Diff) -> Iterator[tuple[NodeDiff, Node, Node]]:
    """What differs of a node that both have, with the node of `a` and that of `b`."""
    for node in diff.nodes:
        if node.old and node.new:
            yield node, diff.a.nodes[node.old], diff.b.nodes[node.new]
