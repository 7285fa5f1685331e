"""Stochastic depth: which samples skip a branch does not depend on how a batch is split."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import timm.layers
import torch
from torch import Tensor, nn

from graphssl.ops.modules.chance import by_sample


class _ByChance(nn.Module):
    """x (b …) times one random number a row, in training.

    Compiled code cannot draw by sample: it finds `drawn`, drawn `ahead`, before it began (`drawing`), and reads no rate, so that
    blocks of different rates are compiled once.
    """

    ahead = False
    drawn: Tensor | None = None

    def rate(self) -> float:
        raise NotImplementedError

    def draw(self, x: Tensor) -> Tensor:
        """(b) numbers for x (b …)."""
        raise NotImplementedError

    def scale(self, x: Tensor) -> Tensor | None:
        """The numbers, or None where they are all 1."""
        return self.draw(x) if self.training and self.rate() else None

    def forward(self, x: Tensor) -> Tensor:
        scale = self.drawn if self.ahead else self.scale(x)
        return x if scale is None else x * scale.view(-1, *(1 for _ in x.shape[1:])).to(x.dtype)


class DropPath(_ByChance, timm.layers.DropPath):
    """timm's: each row is dropped by chance."""

    drop_prob: float

    def rate(self) -> float:
        return self.drop_prob

    def draw(self, x: Tensor) -> Tensor:
        keep = 1 - self.drop_prob
        kept = by_sample(lambda n, generator: x.new_empty(n).bernoulli_(keep, generator=generator), x)
        return kept / keep if keep > 0 and self.scale_by_keep else kept


class DropExactly(_ByChance):
    """All but max(int(n (1 - p)), 1) of n rows are 0, the others scaled by n / kept.

    n counts the rows of a call, x (b …), on all ranks and in all micro-batches.
    """

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def rate(self) -> float:
        return self.p

    def draw(self, x: Tensor) -> Tensor:
        return by_sample(partial(self.scales, x), x)

    def scales(self, like: Tensor, n: int, generator: torch.Generator | None) -> Tensor:
        """(n) of 0 and n / kept."""
        kept = max(int(n * (1 - self.p)), 1)
        chosen = torch.randperm(n, generator=generator, device=like.device)[:kept]
        return like.new_zeros(n).index_fill_(0, chosen, n / kept)


def drawing(block: nn.Module, compiled: Callable[..., Any]) -> Callable[..., Any]:
    """`compiled`, the forward of a block, with what its stochastic depth needs drawn before, in the order in which it is used."""
    layers = [layer for layer in block.modules() if isinstance(layer, _ByChance)]
    for layer in layers:
        layer.ahead = True

    def forward(x: Tensor, *more: Any, **named: Any) -> Any:
        for layer in layers:
            layer.drawn = layer.scale(x.detach())
        return compiled(x, *more, **named)

    return forward if layers else compiled
