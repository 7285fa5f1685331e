"""What passes ask about a module: it is built without memory, and its layers are looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphssl.ir.graph import Graph, Node

if TYPE_CHECKING:
    from torch import nn

_CHANCE = ("p", "drop_prob", "prob")
"""What the rate of dropout, stochastic depth and dropped patches is called in torch and timm."""


def moves_statistics(graph: Graph, node: Node) -> bool:
    """Whether a call of the module moves running statistics."""
    return not node.always_eval and _has_batch_norm(_built(graph, node))


def sees_rows_apart(graph: Graph, node: Node) -> bool:
    """Whether row i of what the module gives depends on row i alone, and on no chance."""
    if node.always_eval:
        return True
    module = _built(graph, node)
    return not _has_batch_norm(module) and not any(getattr(m, rate, 0) for m in module.modules() for rate in _CHANCE)


def _has_batch_norm(module: nn.Module) -> bool:
    from torch.nn.modules.batchnorm import _BatchNorm

    return any(isinstance(layer, _BatchNorm) for layer in module.modules())


def _built(graph: Graph, node: Node) -> nn.Module:
    import torch

    root = graph.nodes[node.root or node.name]
    attrs = {**root.attrs, **{key: value for key, value in node.attrs.items() if key in root.op.attrs}}
    given = {port: edge.values for port, edge in node.given.items()}
    arguments = root.op.build_arguments({**attrs, "pretrained": False}, given)
    arguments.pop("bn_group", None)  # how its BatchNorm groups rows
    with torch.device("meta"):
        module: nn.Module = root.op.build()(*([1] if root.op.needs_width else []), **arguments)
    return module
