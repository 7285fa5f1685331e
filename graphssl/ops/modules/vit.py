"""What methods change in a vision transformer of timm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers import DropPath
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from graphssl.ops.modules.drop_path import DropExactly


def require_transformer(model: Any) -> None:
    """Refuse a model that is not timm's plain vision transformer."""
    if getattr(type(model), "forward_features", None) is not VisionTransformer.forward_features:
        options = "a mask, `positions`, `position_scaling`, `weight_init`, `drop_path_uniform` and `drop_path_exact`"
        raise ValueError(f"{options} need a plain vision transformer, and {type(model).__name__} is none")


def add_mask_token(model: Any) -> None:
    """Give it the vector that hidden patches enter as, in place."""
    model.mask_token = nn.Parameter(torch.zeros(1, model.num_features))


def use_dino_class_token(model: Any) -> None:
    """Initialise the class token as DINO does, in place."""
    nn.init.trunc_normal_(model.cls_token, std=0.02)


def use_uniform_drop_path(model: Any, *, rate: float) -> None:
    """Drop each block with one rate, in place."""
    for block in model.blocks:
        block.drop_path1, block.drop_path2 = DropPath(rate), DropPath(rate)


def use_exact_drop_path(model: Any) -> None:
    """Drop exact numbers of samples, with the rates there are, in place."""
    for block in model.blocks:
        for name in ("drop_path1", "drop_path2"):
            if isinstance(old := getattr(block, name), DropPath):
                setattr(block, name, DropExactly(old.drop_prob))


class DinoScaling(VisionTransformer):
    """A vision transformer that resizes its positions as DINO's do."""

    def _pos_embed(self, x: Tensor) -> Tensor:
        if x.dim() == 3 or tuple(x.shape[1:3]) == tuple(self.patch_embed.grid_size):
            return super()._pos_embed(x)  # type: ignore[no-any-return]
        prefix = 0 if self.no_embed_class else self.num_prefix_tokens
        first, patches = self.pos_embed[:, :prefix], self.pos_embed[:, prefix:]
        patches = resized_as_dino(patches, self.patch_embed.grid_size, (x.shape[1], x.shape[2]))
        tokens = [token.expand(len(x), -1, -1) for token in (self.cls_token, self.reg_token) if token is not None]
        x = x.flatten(1, 2)
        if self.no_embed_class:
            x = torch.cat([*tokens, x + patches], dim=1)
        else:
            x = torch.cat([*tokens, x], dim=1) + torch.cat([first, patches], dim=1)
        return self.pos_drop(x)  # type: ignore[no-any-return]


def resized_as_dino(positions: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """(1 h·w d) of the grid `old` -> (1 h'·w' d) of `new`: bicubic, sampled at a scale of (n + 0.1) / N for n patches of N."""
    grid = positions.unflatten(1, old).permute(0, 3, 1, 2)  # 1 d h w
    scale = [(n + 0.1) / whole for n, whole in zip(new, old, strict=True)]
    resized: Tensor = F.interpolate(grid, scale_factor=scale, mode="bicubic")
    return resized.flatten(2).transpose(1, 2)


def use_dino_scaling(model: Any) -> None:
    """Resize positions as DINO does, in place."""
    model.__class__ = DinoScaling


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
    """A vision transformer's tokens, and those after some blocks and the last norm, with hidden patches replaced by `mask_token`."""
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
    return model.norm(x), [model.norm(after[i]) for i in blocks]
