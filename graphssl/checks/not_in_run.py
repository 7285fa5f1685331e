"""Weights that `from` asks for, and the run does not have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding, GraphError, did_you_mean
from graphssl.language.explanation import Explanation
from graphssl.language.resolve import resolve
from graphssl.language.runs import Origin, latest_checkpoint, read_origin, saved_shapes
from graphssl.language.tree import Mapping

EXPLAIN = Explanation(
    "not-in-run",
    "`from` names a run, or a method, that has no such node",
    "A node takes the weights of the node of its own name in the run, or of the one behind the colon of `RUN:NODE`.",
    "graphssl: 1\nextends: simclr@quick\nname: mine\nnodes:\n  f: {from: 'byol@quick:encoder'}\n",
    "graphssl: 1\nextends: simclr@quick\nname: mine\nnodes:\n  f: {from: 'byol@quick:f'}\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    if begun(graph):
        return
    for node in graph:
        text = node.attrs.get("from")
        if node.broken or not isinstance(text, str):
            continue
        found: list[Finding] = []
        origin = read_origin(text, node.name, node.place("from"), found.append)
        yield from found
        if origin is None or origin.file:  # what is in a file of weights, the dry run looks up
            continue
        known = _nodes(origin)
        if origin.node.replace("/", "_") not in {name.replace("/", "_") for name in known}:
            message = f"`{origin.place}` has no weights of a node `{origin.node}`"
            help = did_you_mean(origin.node, known, "node")
            yield Finding("not-in-run", message, node.place("from"), node=node.name, help=help)


def begun(graph: Graph) -> bool:
    """Whether the file is that of a run with weights of its own: then it needs no other run."""
    path = Path(graph.spec.tree.span.source.name)
    return path.name == "method.yaml" and latest_checkpoint(path.parent) is not None


def _nodes(origin: Origin) -> list[str]:
    """Nodes of the run that have weights, or of the method."""
    if origin.checkpoint:
        return list(dict.fromkeys(name.partition(".")[0] for name in saved_shapes(origin.checkpoint)))
    try:
        nodes = resolve(origin.reference, (), lambda finding: None).get("nodes")
    except GraphError:
        return []
    return list(nodes.entries) if isinstance(nodes, Mapping) else []
