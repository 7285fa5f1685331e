"""BatchNorm in front of the point where samples begin to meet, under `micro_batch`. Needs the built module."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from graphssl.ir.graph import Graph
from graphssl.ir.parts import parts_of
from graphssl.language.diagnostics import Finding
from graphssl.ops.modules.batch_norm import Grouped


def check(graph: Graph, module: nn.Module) -> Iterator[Finding]:
    train = graph.train
    if train is None or train.micro_batch is None or train.micro_batch_norm != "refuse":
        return
    for node in parts_of(graph).by_sample:
        owner = module._modules.get(node.name.replace("/", "_"))
        layers = [layer for layer in owner.modules() if isinstance(layer, _BatchNorm)] if owner else []
        whole = [layer for layer in layers if layer.training and not _splits(layer, train.micro_batch)]
        if whole:
            message = f"`{node.name}` has BatchNorm, whose statistics would be those of {train.micro_batch} samples, not of the batch"
            help = (
                f"give `{node.name}` `bn_group: {train.micro_batch}`, take a model without BatchNorm, or accept it with "
                "`train.micro_batch_norm: per_micro_batch`"
            )
            also = (train.spans["micro_batch"], "the micro-batch is set here")
            yield Finding("micro-batch-norm", message, node.span, node=node.name, help=help, also=also)


def _splits(layer: nn.Module, rows: int) -> bool:
    """Whether micro-batches of so many rows have the groups that the whole batch has."""
    return isinstance(layer, Grouped) and rows % layer.group_rows == 0
