"""What DINO and DINOv2 change in a vision transformer: positions of other sizes, drop path, class token, SwiGLU."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graphssl.ops.modules.drop_path import DropExactly
from graphssl.ops.modules.encoder import encoder
from graphssl.ops.modules.vit import resized_as_dino

TINY = {"patch_size": 8, "depth": 3, "embed_dim": 24, "num_heads": 2}


def vit(**more: Any) -> Any:
    torch.manual_seed(0)
    args = {**TINY, **more.pop("args", {})}
    return encoder("vit_tiny_patch16_224", image_sizes=more.pop("image_sizes", [64]), args=args, **more)


def cubic(x: float) -> float:
    """Keys' kernel with a = -0.75, torch's."""
    x, a = abs(x), -0.75
    if x < 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def slow_resize(grid: Tensor, new: int) -> Tensor:
    """(h w) -> (new new), each value a weighted sum of 4 × 4 neighbours at (i + 1/2) · N / (n + 0.1) - 1/2."""
    old = len(grid)

    def at(i: int) -> list[tuple[int, float]]:
        place = (i + 0.5) * old / (new + 0.1) - 0.5
        low = math.floor(place)
        return [(min(max(low + k, 0), old - 1), cubic(place - low - k)) for k in (-1, 0, 1, 2)]

    rows = [
        [sum(a * b * float(grid[y, x]) for y, a in at(i) for x, b in at(j)) for j in range(new)] for i in range(new)
    ]
    return torch.tensor(rows, dtype=torch.float64)


def test_positions_of_small_crops_are_sampled_at_the_authors_scale_without_antialiasing() -> None:
    grid = torch.randn(14, 14, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = resized_as_dino(grid.reshape(1, 196, 1), (14, 14), (6, 6)).reshape(6, 6)
    torch.testing.assert_close(found, slow_resize(grid, 6), rtol=1e-9, atol=1e-9)


def test_the_model_adds_them_to_crops_of_other_sizes_and_its_own_to_its_own() -> None:
    model, plain = vit(image_sizes=[64, 32], position_scaling="dino").eval(), vit(image_sizes=[64, 32]).eval()
    nn.init.normal_(model.pos_embed)
    plain.load_state_dict(model.state_dict())
    large, small = torch.randn(2, 3, 64, 64), torch.randn(2, 3, 32, 32)
    assert torch.equal(model(large), plain(large))
    tokens = model.patch_embed(small).flatten(1, 2)
    positions = resized_as_dino(model.pos_embed[:, 1:], (8, 8), (4, 4))
    tokens = torch.cat([model.cls_token.expand(2, -1, -1), tokens], dim=1)
    expected = model.norm(model.blocks(tokens + torch.cat([model.pos_embed[:, :1], positions], dim=1)))[:, 0]
    torch.testing.assert_close(model(small), expected)
    assert not torch.allclose(model(small), plain(small), atol=1e-3), "timm antialiases"


def test_registers_have_no_positions_where_the_model_says_so() -> None:
    model = vit(image_sizes=[64, 32], position_scaling="dino", args={"reg_tokens": 2, "no_embed_class": True})
    assert model.pos_embed.shape == (1, 64, 24)
    assert model.forward_features(torch.randn(2, 3, 32, 32)).shape == (2, 1 + 2 + 16, 24)


def test_exact_drop_path_keeps_a_number_of_samples_and_scales_them() -> None:
    drop, x = DropExactly(0.3), torch.ones(10, 2, 3)
    counts = torch.zeros(10)
    for _ in range(500):
        y = drop(x)
        kept = y[:, 0, 0] != 0
        assert int(kept.sum()) == 7 and torch.equal(y[kept], torch.full((7, 2, 3), 10 / 7))
        counts += kept
    assert (counts / 500 - 0.7).abs().max() < 0.1, "any of them"
    assert int((DropExactly(0.9)(x[:3]) != 0).any(2).any(1).sum()) == 1, "at least one"
    assert torch.equal(drop.eval()(x), x)


def test_drop_path_rises_from_zero_or_is_uniform() -> None:
    rates = [getattr(b.drop_path1, "drop_prob", 0.0) for b in vit(drop_path=0.4).blocks]
    assert rates == pytest.approx([0.0, 0.2, 0.4])
    assert [b.drop_path2.drop_prob for b in vit(drop_path=0.4, drop_path_uniform=True).blocks] == [0.4] * 3
    exact = vit(drop_path=0.4, drop_path_uniform=True, drop_path_exact=True)
    assert [(type(b.drop_path1), b.drop_path1.p) for b in exact.blocks] == [(DropExactly, 0.4)] * 3
    rising = vit(drop_path=0.4, drop_path_exact=True)
    assert [b.drop_path1.p for b in rising.blocks[1:]] == pytest.approx([0.2, 0.4])


def test_dino_starts_its_class_token_wider_than_timm() -> None:
    wide = {"args": {"embed_dim": 192, "num_heads": 3}}
    assert vit(weight_init="dino", **wide).cls_token.std().item() == pytest.approx(0.02, rel=0.2)
    assert vit(**wide).cls_token.abs().max() < 1e-5


def test_swiglu_has_gate_and_value_of_the_width_asked_for() -> None:
    block = vit(ffn="swiglu", args={"mlp_ratio": 4.0}).blocks[0].mlp
    assert (block.fc1.out_features, block.fc2.in_features) == (96, 48)
    x = torch.randn(2, 24)
    gate, value = block.fc1(x).chunk(2, dim=-1)
    torch.testing.assert_close(block(x), block.fc2(torch.nn.functional.silu(gate) * value))


def test_another_model_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="need a plain vision transformer, and ResNet is none"):
        encoder("resnet18", image_sizes=[32], position_scaling="dino")
