"""BatchNorm over groups of rows, and rows that trade places between the groups."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, cast

import torch
from timm.layers import convert_sync_batchnorm
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from graphssl.ops.modules.distributed import gather, own_rows


def grouped_batch_norm(module: nn.Module, *, rows: int) -> nn.Module:
    """The module itself, its BatchNorm layers normalising each group of `rows` consecutive rows by its own statistics."""
    layers: list[Any] = [layer for layer in module.modules() if isinstance(layer, _BatchNorm)]
    for layer in layers:
        layer.__class__ = grouped(cast(Any, type(layer)))
        layer.group_rows = rows
    return module


class Grouped:
    """What a BatchNorm class becomes; in training only. Running statistics move by the mean of the groups' statistics."""

    group_rows: int

    def forward(self: Any, x: Tensor) -> Tensor:
        if not self.training or x.is_meta:  # a dry run has a few rows only
            y: Tensor = super().forward(x)  # type: ignore[misc]
            return y
        if len(x) % self.group_rows:
            raise ValueError(f"{len(x)} rows cannot be split into BatchNorm groups of {self.group_rows}")
        mean, var, batches = self.running_mean, self.running_var, self.num_batches_tracked
        outputs, means, variances = [], [], []
        for group in x.split(self.group_rows):
            self.running_mean, self.running_var, self.num_batches_tracked = mean.clone(), var.clone(), batches.clone()
            outputs.append(super().forward(group))  # type: ignore[misc]
            means.append(self.running_mean)
            variances.append(self.running_var)
        with torch.no_grad():
            mean.copy_(torch.stack(means).mean(dim=0))
            var.copy_(torch.stack(variances).mean(dim=0))
            batches.add_(1)
        self.running_mean, self.running_var, self.num_batches_tracked = mean, var, batches
        return torch.cat(outputs)


@cache
def grouped(kind: type) -> type:
    """The class `kind`, over groups of rows."""
    return type(f"Grouped{kind.__name__}", (Grouped, kind), {})


def synchronise_batch_norm(module: nn.Module) -> None:
    """Let BatchNorm take the statistics of all ranks, in place; layers that have groups keep those."""
    for name, child in module.named_children():
        if not isinstance(child, _BatchNorm):
            synchronise_batch_norm(child)
        elif not isinstance(child, Grouped):
            setattr(module, name, convert_sync_batchnorm(child))


def shuffled(call: Callable[..., Any], *inputs: Tensor, step: int) -> Any:
    """`call(*inputs)`, the rows of all ranks having traded places before, and gone back behind it.

    The order is a function of the step, equal on all ranks. inputs (b …) -> what `call` gives, (b …), or a dict of those.
    """
    everything = [gather(x, grad=False) for x in inputs]
    total, device = len(everything[0]), inputs[0].device
    own = own_rows(total, device)
    order = torch.randperm(total, generator=torch.Generator().manual_seed(step)).to(device)
    back = order.argsort()
    out = call(*(x[order[own]] for x in everything))

    def restored(y: Tensor) -> Tensor:
        return gather(y, grad=False)[back[own]]

    return {port: restored(y) for port, y in out.items()} if isinstance(out, dict) else restored(out)
