"""Positions of a vision transformer in a file, made those of a model: other grids, and other tokens before the patches."""

from __future__ import annotations

from math import isqrt
from typing import Any

import torch
from timm.layers import resample_abs_pos_embed
from torch import Tensor

from graphssl.ops.modules.vit import DinoScaling, resized_as_dino


def fit_positions(tensors: dict[str, Tensor], model: Any) -> str:
    """Change `pos_embed` (1 n d) in place to the model's number of tokens; what was done, in words.

    The positions of class and register tokens are added to those tokens where the model keeps none (timm's `no_embed_class`),
    and are zero where only the model has some. Another grid is resized as the model itself would: bicubic, as timm does or,
    with `position_scaling: dino`, as DINO and DINOv2 do.
    """
    given, mine = tensors.get("pos_embed"), getattr(model, "pos_embed", None)
    if given is None or mine is None or given.shape == mine.shape or given.dim() != 3:
        return ""
    wanted = 0 if model.no_embed_class else model.num_prefix_tokens
    prefix = next((k for k in (wanted, 1, 0) if _square(given.shape[1] - k)), None)
    if prefix is None:
        return ""
    first, patches = given[:, :prefix], given[:, prefix:]
    side, grid = isqrt(patches.shape[1]), model.patch_embed.grid_size
    done = f"positions resized from {side}×{side} to {grid[0]}×{grid[1]}" if (side, side) != grid else ""
    if done and isinstance(model, DinoScaling):
        patches = resized_as_dino(patches, (side, side), grid)
    elif done:
        patches = resample_abs_pos_embed(patches, list(grid), [side, side], num_prefix_tokens=0)
    if wanted < prefix:
        add_positions(tensors, first[:, wanted:])
        first = first[:, :wanted]
    zeros = patches.new_zeros(1, wanted - first.shape[1], patches.shape[2])
    tensors["pos_embed"] = torch.cat([first, zeros, patches], dim=1)
    return done


def positions_as_released(tensors: dict[str, Tensor], model: Any) -> None:
    """The other way, in place: one position for the class token, those of registers added to them."""
    if "pos_embed" not in tensors or "reg_token" not in tensors:
        return
    positions = tensors["pos_embed"]
    prefix = 0 if model.no_embed_class else model.num_prefix_tokens
    first, patches = positions[:, :prefix], positions[:, prefix:]
    if prefix > 1:
        tensors["reg_token"] = tensors["reg_token"] + first[:, 1:]
    cls = first[:, :1] if prefix else patches.new_zeros(1, 1, patches.shape[2])
    tensors["pos_embed"] = torch.cat([cls, patches], dim=1)


def add_positions(tensors: dict[str, Tensor], positions: Tensor) -> None:
    """Add positions (1 k d) to the class token, which is first."""
    if "cls_token" in tensors:
        tensors["cls_token"] = tensors["cls_token"] + positions[:, :1]


def _square(n: int) -> bool:
    return n > 0 and isqrt(n) ** 2 == n
