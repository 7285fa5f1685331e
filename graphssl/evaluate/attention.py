"""What the tokens of a vision transformer look at, in its last block."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from graphssl.evaluate.encoder import RunEncoder
from graphssl.evaluate.features import evaluating
from graphssl.ops.modules.encoder import token_map
from graphssl.runtime.errors import RunError


def attention(encoder: RunEncoder, images: Tensor) -> Tensor:
    """images (b 3 h w) -> softmax(q k / √d) of the last block (b heads n n): row i is what token i looks at, and sums to 1.

    Class and register tokens come first, `encoder.backbone.num_prefix_tokens` of them; patches follow, row by row.

    Raises:
        RunError: the encoder is no vision transformer.
    """
    block = last_attention(encoder)
    kept: list[Tensor] = []
    hook = block.attn_drop.register_forward_pre_hook(lambda module, given: kept.append(given[0]))
    fused, block.fused_attn = block.fused_attn, False  # fused attention never holds the weights
    try:
        with evaluating(encoder):
            encoder.backbone.forward_features(images)
    finally:
        hook.remove()
        block.fused_attn = fused
    return kept[0]


def class_attention(encoder: RunEncoder, images: Tensor) -> Tensor:
    """images (b 3 h w) -> what the class token looks at among the patches (b heads h' w'), as DINO shows it (arXiv:2104.14294, figure 1).

    Rows of it sum to less than 1: the rest goes to the class token itself and to registers.

    Raises:
        RunError: the encoder is no vision transformer, or has no class token.
    """
    last_attention(encoder)
    if getattr(encoder.backbone, "cls_token", None) is None:
        raise RunError(f"{type(encoder.backbone).__name__} has no class token whose attention could be shown")
    weights = attention(encoder, images)[:, :, 0, encoder.backbone.num_prefix_tokens :]  # b heads n
    return token_map(weights.transpose(1, 2))


def last_attention(encoder: RunEncoder) -> Any:
    """The attention of the last block."""
    blocks = getattr(encoder.backbone, "blocks", None)
    block = getattr(blocks[-1], "attn", None) if isinstance(blocks, nn.Sequential | nn.ModuleList) else None
    if not isinstance(getattr(block, "qkv", None), nn.Linear) or not hasattr(block, "fused_attn"):
        raise RunError(f"attention needs a vision transformer, and {type(encoder.backbone).__name__} is none of timm's")
    return block
