"""Questions about the way of images through a curation that rules and the runner ask."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from graphssl.curate.stage import Compare, Stage
from graphssl.ir.graph import Graph, Node

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = """\
graphssl: 1
kind: curation
name: mine
nodes:
  pool: {op: images, data: pool}
  flowers: {op: images, data: flowers}
"""
"""How the examples of rules begin."""


def stage(node: Node) -> type[Stage]:
    assert issubclass(node.op, Stage)
    return node.op


def chosen_from(node: Node) -> str:
    """The input whose images the stage may keep: the one that it passes on, or else its first."""
    return stage(node).main or next(iter(node.op.inputs))


def understood(graph: Graph) -> bool:
    """Whether every stage was; if not, what lacks may stand in the one that was not."""
    return not any(node.broken for node in graph) and len(graph.nodes) == len(graph.spec.nodes) > 0


def manifests(graph: Graph) -> list[Node]:
    return graph.of_kind("manifest")


def contributors(graph: Graph, names: Iterable[str]) -> set[str]:
    """These nodes and all whose images can pass through to them, as those of a benchmark that is only compared with cannot."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found or name not in graph.nodes:
            continue
        found.add(name)
        node = graph.nodes[name]
        waiting += [ref.node for port, ref in node.refs() if port == chosen_from(node)]
    return found


def encoders(graph: Graph, images: Node) -> Iterator[str]:
    """The encoders by which a stage compares images that can come from this node, each once."""
    found: dict[str, None] = {}
    for node in graph:
        if not issubclass(node.op, Compare) or node.attrs["skip"]:
            continue
        if images.name in contributors(graph, [ref.node for _, ref in node.refs()]):
            found[node.attrs["encoder"]] = None
    yield from found
