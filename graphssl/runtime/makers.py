"""The graph's sources as what the loader calls."""

from __future__ import annotations

from graphssl.data.samples import Maker
from graphssl.ir.graph import Graph


def makers_of(graph: Graph, *, seed: int, steps: int, per_epoch: int) -> dict[str, Maker]:
    """What makes the values of each source node; steps, per_epoch: length of the training in optimizer steps."""
    return {
        node.name: node.op.maker(node.name, node.attrs, node.given, seed=seed, steps=steps, per_epoch=per_epoch)  # type: ignore[attr-defined]
        for node in graph.sources()
    }
