"""BatchNorm over the rows of all ranks or over groups of rows, and rows that trade places between the groups."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, cast

import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from graphssl.ops.modules.distributed import gather, own_rows, summed, world
from graphssl.ops.modules.precision import full_precision


def grouped_batch_norm(module: nn.Module, *, rows: int) -> nn.Module:
    """The module itself, its BatchNorm layers normalising each group of `rows` consecutive rows by its own statistics."""
    layers: list[Any] = [layer for layer in module.modules() if isinstance(layer, _BatchNorm)]
    for layer in layers:
        layer.__class__ = grouped(cast(Any, type(layer)))
        layer.group_rows = rows
    return module


class Grouped:
    """What a BatchNorm class becomes; in training only.

    Running statistics move by the mean of the groups' statistics, those of all ranks.
    """

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
            here = torch.stack([torch.stack(means).mean(dim=0), torch.stack(variances).mean(dim=0)])
            everywhere = summed(here) / world()[1]
            mean.copy_(everywhere[0])
            var.copy_(everywhere[1])
            batches.add_(1)
        self.running_mean, self.running_var, self.num_batches_tracked = mean, var, batches
        return torch.cat(outputs)


@cache
def grouped(kind: type) -> type:
    """The class `kind`, over groups of rows."""
    return type(f"Grouped{kind.__name__}", (Grouped, kind), {})


def synchronise_batch_norm(module: nn.Module, device: torch.device) -> None:
    """Let BatchNorm take the statistics of all ranks, in place; layers that have groups keep those."""
    layers: list[Any] = [layer for layer in module.modules() if isinstance(layer, _BatchNorm)]
    for layer in layers:
        if not isinstance(layer, Grouped):
            kind: Any = Activated if isinstance(layer, BatchNormAct2d) else type(layer)
            layer.__class__ = synchronised(kind, nn.SyncBatchNorm if device.type == "cuda" else AllRanks)
            layer.process_group = None


@cache
def synchronised(kind: type, how: type) -> type:
    """The class `kind`, its statistics taken by `how`."""
    return type(f"Sync{kind.__name__}", (kind, how), {})


class Activated(nn.BatchNorm2d):
    """timm's BatchNorm with an activation behind it, whose forward calls that of the next class."""

    drop: nn.Module
    act: nn.Module

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.drop(super().forward(x)))
        return y


class AllRanks(_BatchNorm):
    """BatchNorm over the rows of all ranks where torch has none (SyncBatchNorm wants GPUs). Ranks may have unequal rows.

        mean = Σ_r n_r mean_r / n,   var = Σ_r n_r (var_r + (mean_r - mean)²) / n,   n = Σ_r n_r

    x (b d …) -> the same, n_r its numbers a channel; gradient flows back to the rows of all ranks.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or world()[1] == 1 or x.is_meta:
            return super().forward(x)
        self._check_input_dim(x)
        wide = full_precision(x)
        places = [0, *range(2, x.dim())]
        var, mean = torch.var_mean(wide, dim=places, correction=0)  # d
        count = torch.full_like(mean, x.numel() / x.shape[1])
        means, variances, counts = gather(torch.stack([mean, var, count])[None], grad=True).unbind(dim=1)  # r d
        total = counts.sum(dim=0)
        mean = (counts * means).sum(dim=0) / total
        var = (counts * (variances + (means - mean).square())).sum(dim=0) / total
        if self.track_running_stats:
            self.track(mean.detach(), (var * total / (total - 1)).detach())
        scale = torch.rsqrt(var + self.eps)
        scale = scale if self.weight is None else scale * self.weight
        shift = -mean * scale if self.bias is None else self.bias - mean * scale
        broadcast = [1, -1, *[1] * (x.dim() - 2)]
        return (wide * scale.view(broadcast) + shift.view(broadcast)).to(x.dtype)

    @torch.no_grad()
    def track(self, mean: Tensor, var: Tensor) -> None:
        """Move the running statistics towards those of this call; var is unbiased."""
        assert self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean), share)
        self.running_var.lerp_(var.to(self.running_var), share)


def shuffled(call: Callable[..., Any], *inputs: Tensor, step: int) -> Any:
    """`call(*inputs)`, the rows of all ranks having traded places before, and gone back behind it.

    The order is a function of the step, equal on all ranks. inputs (b …) -> what `call` gives, (b …), or a dict of those.
    """
    everything = [gather(x, grad=False) for x in inputs]
    total, device = len(everything[0]), inputs[0].device
    own = own_rows(total, device)
    order = torch.randperm(total, generator=torch.Generator().manual_seed(step)).to(device, non_blocking=True)
    back = order.argsort()
    out = call(*(x[order[own]] for x in everything))

    def restored(y: Tensor) -> Tensor:
        return gather(y, grad=False)[back[own]]

    return {port: restored(y) for port, y in out.items()} if isinstance(out, dict) else restored(out)
