"""The graph's sources as what the loader calls."""

from __future__ import annotations

from typing import Any

from graphssl.data.samples import Maker
from graphssl.ir.graph import Graph


def makers_of(graph: Graph, *, seed: int, steps: int, per_epoch: int) -> dict[str, Maker]:
    """What makes the values of each source node; steps, per_epoch: length of the training in optimizer steps."""
    makers: dict[str, Maker] = {}
    for node in graph.sources():  # in computing order: what one follows comes before it
        op: Any = node.op
        if op.follows:
            makers[node.name] = op.following(makers[node.inputs[op.follows][0].node])
        else:
            makers[node.name] = op.maker(node.name, node.attrs, node.given, seed=seed, steps=steps, per_epoch=per_epoch)
    return makers
