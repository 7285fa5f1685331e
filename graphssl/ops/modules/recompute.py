"""Activation checkpointing: a block keeps its input, and what happened within is computed again on the way back.

    memory for the backward: Σ inputs of blocks + everything within one block;  time: one more forward

Source: Chen et al., arXiv:1604.06174, in the form of `torch.utils.checkpoint`. What is computed again is the same to the
last bit: dropout and stochastic depth draw what they drew, and BatchNorm's running statistics move once.
Differs: timm's `set_grad_checkpointing` is not used, because it moves running statistics twice, draws stochastic depth by
sample anew, and belongs to the model's own forward, which masks and intermediate outputs go around.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from typing import Any, cast

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from graphssl.ops.modules.chance import chance_again, chance_now
from graphssl.ops.modules.stacks import repeated_blocks


def recompute_blocks(model: nn.Module) -> None:
    """Let every block of the model be computed again in the backward, in place; names of weights stay."""
    blocks: list[Any] = repeated_blocks(model)
    if not blocks:
        raise ValueError(f"`checkpoint` needs a model of repeated blocks, and {type(model).__name__} is none")
    for block in blocks:
        block.__class__ = recomputed(cast(Any, type(block)))


class Recomputed:
    """What the class of a block becomes. Its hooks run again with it, as those of split weights expect."""

    def __call__(self: Any, x: Any, *more: Any, **named: Any) -> Any:
        call = super().__call__  # type: ignore[misc]
        if not torch.is_grad_enabled() or x.is_meta:
            return call(x, *more, **named)
        return checkpoint(call, x, *more, use_reentrant=False, context_fn=partial(_contexts, self), **named)


@cache
def recomputed(kind: type) -> type:
    """The class `kind`, computed again in the backward."""
    return type(f"Recomputed{kind.__name__}", (Recomputed, kind), {})


def _contexts(block: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Around the forward, and around its repetition."""
    return nullcontext(), _Again(block)


class _Again(AbstractContextManager[None]):
    """Draws what the forward drew that now begins; running statistics move in copies, which are thrown away."""

    def __init__(self, block: nn.Module):
        self.layers = [layer for layer in block.modules() if isinstance(layer, _BatchNorm)]
        self.chance = chance_now()

    def __enter__(self) -> None:
        self.own = [dict(layer.named_buffers(recurse=False)) for layer in self.layers]
        for layer, buffers in zip(self.layers, self.own, strict=True):
            for name, buffer in buffers.items():
                setattr(layer, name, buffer.clone())
        self.again = chance_again(self.chance)
        self.again.__enter__()

    def __exit__(self, *_: object) -> None:
        self.again.__exit__(None, None, None)
        for layer, buffers in zip(self.layers, self.own, strict=True):
            for name, buffer in buffers.items():
                setattr(layer, name, buffer)
