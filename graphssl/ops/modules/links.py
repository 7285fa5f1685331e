"""Slow and fixed copies of modules."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


def copy_of(module: nn.Module) -> nn.Module:
    """A copy with equal weights that receives no gradient."""
    return without_gradient(copy.deepcopy(module))


def starting_as(module: nn.Module, source: nn.Module) -> nn.Module:
    """`module` with the weights of `source`, and no gradient."""
    module.load_state_dict(source.state_dict())
    return without_gradient(module)


def without_gradient(module: nn.Module) -> nn.Module:
    """The module itself, none of its parameters trainable."""
    return module.requires_grad_(False)


@torch.no_grad()
def ema_update(slow: nn.Module, fast: nn.Module, momentum: float, buffers: str = "own") -> None:
    """slow <- momentum * slow + (1 - momentum) * fast, for parameters paired by name.

    buffers: `own` leaves them, `copy` copies them, `ema` averages floating ones and copies integer ones.
    """
    source = dict(fast.named_parameters())
    parameters: list[tuple[Tensor, Tensor]] = [(p, source[name]) for name, p in slow.named_parameters()]
    averaged: list[tuple[Tensor, Tensor]] = []
    if buffers != "own":
        theirs = dict(fast.named_buffers())
        for name, buffer in slow.named_buffers():
            if buffers == "ema" and buffer.is_floating_point():
                averaged.append((buffer, theirs[name]))
            else:
                buffer.copy_(theirs[name])
    for pairs in (parameters, averaged):  # apart: sharded parameters cannot be listed with buffers, which are whole
        if momentum != 1.0 and pairs:
            ours, others = zip(*pairs, strict=True)
            torch._foreach_lerp_(ours, others, 1.0 - momentum)
