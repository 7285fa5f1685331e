"""Attention of the last block against a hand-written loop."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

import graphssl
from graphssl.evaluate.attention import attention, class_attention
from graphssl.evaluate.encoder import RunEncoder
from graphssl.runtime.errors import RunError

SMALL = {"patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2, "img_size": 32}


@pytest.fixture
def with_backbone(trained: Callable[[str], Path]) -> Callable[..., RunEncoder]:
    """The encoder of the toy DINO run around another transformer."""
    run = trained("dino")

    def made(**options: Any) -> RunEncoder:
        encoder = graphssl.load_encoder(run)
        torch.manual_seed(0)
        encoder.ft = VisionTransformer(**{**SMALL, "num_classes": 0, **options}).eval()
        for parameter in encoder.ft.parameters():  # norms of queries and keys do something, too
            torch.nn.init.normal_(parameter, std=0.5)
        return encoder

    return made


@torch.no_grad()
def by_hand(model: Any, images: Tensor) -> Tensor:
    """(b heads n n), token by token."""
    x = model.norm_pre(model._pos_embed(model.patch_embed(images)))
    for block in model.blocks[:-1]:
        x = block(x)
    block = model.blocks[-1].attn
    b, n, d = x.shape
    width = d // block.num_heads
    q, k, _ = block.qkv(model.blocks[-1].norm1(x)).split(d, dim=2)
    out = torch.zeros(b, block.num_heads, n, n)
    for image in range(b):
        for head in range(block.num_heads):
            part = slice(head * width, (head + 1) * width)
            for i in range(n):
                query = block.q_norm(q[image, i, part])
                scores = [float(query @ block.k_norm(k[image, j, part])) / math.sqrt(width) for j in range(n)]
                total = sum(math.exp(score) for score in scores)
                out[image, head, i] = torch.tensor([math.exp(score) / total for score in scores])
    return out


@pytest.mark.parametrize(
    "options", [{}, {"qk_norm": True}, {"reg_tokens": 3}, {"class_token": False, "global_pool": "avg"}], ids=str
)
def test_attention_is_the_softmax_of_queries_and_keys(
    with_backbone: Callable[..., RunEncoder], options: dict[str, Any]
) -> None:
    encoder = with_backbone(**options)
    images = torch.randn(2, 3, 32, 32)
    found = attention(encoder, images)
    torch.testing.assert_close(found, by_hand(encoder.backbone, images), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.sum(dim=3), torch.ones(found.shape[:3]))


def test_the_class_token_looks_at_patches_behind_the_registers(with_backbone: Callable[..., RunEncoder]) -> None:
    encoder = with_backbone(reg_tokens=3)
    images = torch.randn(2, 3, 32, 32)
    whole = attention(encoder, images)
    assert whole.shape == (2, 2, 1 + 3 + 16, 1 + 3 + 16)
    shown = class_attention(encoder, images)
    assert shown.shape == (2, 2, 4, 4)
    for patch in range(16):
        assert torch.equal(shown[:, :, patch // 4, patch % 4], whole[:, :, 0, 4 + patch])


def test_nothing_about_the_encoder_is_changed(trained: Callable[[str], Path]) -> None:
    encoder = graphssl.load_encoder(trained("dino"))
    images = torch.randn(1, 3, 32, 32)
    before = encoder(images)
    attention(encoder, images)
    block = encoder.backbone.blocks[-1].attn
    assert block.fused_attn and not block.attn_drop._forward_pre_hooks
    assert torch.equal(encoder(images), before)


def test_a_convnet_has_no_attention(trained: Callable[[str], Path]) -> None:
    with pytest.raises(RunError, match="needs a vision transformer, and ResNet"):
        attention(graphssl.load_encoder(trained("simclr")), torch.zeros(1, 3, 32, 32))


def test_a_transformer_without_class_token_is_told(with_backbone: Callable[..., RunEncoder]) -> None:
    with pytest.raises(RunError, match="no class token"):
        class_attention(with_backbone(class_token=False, global_pool="avg"), torch.zeros(1, 3, 32, 32))
