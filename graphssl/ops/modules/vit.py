"""What methods change in a vision transformer of timm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn


def adapt(model: Any, *, masked: bool, sincos: bool, xavier: bool) -> None:
    """Give a vision transformer a mask token, fixed sine-cosine positions, xavier weights, in place."""
    if getattr(type(model), "forward_features", None) is not VisionTransformer.forward_features:
        kind = type(model).__name__
        raise ValueError(f"a mask, `positions` and `weight_init` need a plain vision transformer, and {kind} is none")
    if xavier:
        use_xavier_weights(model)
    if sincos:
        use_sincos_positions(model)
    if masked:
        model.mask_token = nn.Parameter(torch.zeros(1, model.num_features))


def use_xavier_weights(model: Any) -> None:
    """Initialise every matrix by its own fans, with zero biases, in place; the patch projection is a matrix (d, c·p·p)."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            matrices = module.weight.data.flatten(1)  # a view of the same memory
            for matrix in matrices.chunk(3) if name.endswith(".qkv") else (matrices,):
                nn.init.xavier_uniform_(matrix)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    if model.cls_token is not None:
        nn.init.normal_(model.cls_token, std=1e-6)


def use_sincos_positions(model: Any) -> None:
    """Put fixed 2-D sine-cosine positions into the model, zero for class and register tokens."""
    old = model.pos_embed
    grid = sincos_positions(model.patch_embed.grid_size, old.shape[-1]).to(old)
    prefix = old.new_zeros(old.shape[1] - len(grid), old.shape[-1])
    model.pos_embed = nn.Parameter(torch.cat([prefix, grid])[None], requires_grad=False)


def sincos_positions(grid: tuple[int, int], d: int) -> Tensor:
    """(h·w d) for a grid (h, w): sines and cosines of the row, then of the column, at d / 4 frequencies from 1 down to 1 / 10000."""
    if d % 4:
        raise ValueError(f"sine-cosine positions need a width that 4 divides, got {d}")
    height, width = grid
    frequency = 10000.0 ** (-torch.arange(d // 4, dtype=torch.float64) / (d // 4))
    rows = torch.arange(height, dtype=torch.float64)[:, None] * frequency
    columns = torch.arange(width, dtype=torch.float64)[:, None] * frequency
    row = torch.cat([rows.sin(), rows.cos()], dim=1)[:, None].expand(height, width, d // 2)
    column = torch.cat([columns.sin(), columns.cos()], dim=1)[None].expand(height, width, d // 2)
    return torch.cat([row, column], dim=2).reshape(height * width, d)


def masked_forward(model: Any, x: Tensor, mask: Tensor, blocks: Sequence[int]) -> tuple[Tensor, list[Tensor]]:
    """A vision transformer's tokens, and patch tokens after some blocks, with hidden patches replaced by `mask_token`."""
    x = model.patch_embed(x)  # (b n d), or (b h w d) in a model for several sizes
    if x[..., 0].numel() != mask.numel():
        n = x[0, ..., 0].numel()
        raise ValueError(f"the mask has {mask.shape[1]} patches and the model {n}: give both the same `patch` size")
    x = torch.where(mask.reshape(x.shape[:-1])[..., None], model.mask_token.to(x.dtype), x)
    x = model.norm_pre(model.patch_drop(model._pos_embed(x)))
    after = []
    for block in model.blocks:
        x = block(x)
        after.append(x)
    return model.norm(x), [model.norm(after[i])[:, model.num_prefix_tokens :] for i in blocks]
