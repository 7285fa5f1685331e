"""Cross-entropy of distributions, and the plain squared difference, against slow obvious loops."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

import graphssl
from graphssl.ops.cross_entropy import soft_cross_entropy
from graphssl.ops.regression import mse_loss


def given(*shape: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    prediction = torch.randn(*shape, dtype=torch.float64, generator=generator).requires_grad_()
    return prediction, torch.randn(*shape, dtype=torch.float64, generator=generator).softmax(dim=-1)


def one(s: torch.Tensor, t: torch.Tensor, temperature: float) -> torch.Tensor:
    """Of one row, number by number."""
    total = sum((s[j] / temperature).exp() for j in range(len(s)))
    return -sum(t[k] * ((s[k] / temperature).exp() / total).log() for k in range(len(s)))


def same(fast: torch.Tensor, slow: torch.Tensor, x: torch.Tensor) -> None:
    assert torch.allclose(fast, slow, rtol=1e-12)
    a, b = torch.autograd.grad(fast, x)[0], torch.autograd.grad(slow, x)[0]
    assert torch.allclose(a, b, rtol=1e-9, atol=1e-13)


def test_rows_equal_a_slow_loop_in_value_and_gradient() -> None:
    s, t = given(5, 4)
    same(soft_cross_entropy(s, t, temperature=0.2), sum(one(s[i], t[i], 0.2) for i in range(5)) / 5, s)


def test_tokens_are_averaged() -> None:
    s, t = given(3, 2, 4)
    slow = sum(one(s[i, n], t[i, n], 0.2) for i in range(3) for n in range(2)) / 6
    same(soft_cross_entropy(s, t, temperature=0.2), slow, s)


def test_masked_tokens_count_per_image_and_unmasked_images_cost_nothing() -> None:
    s, t = given(3, 4, 5)
    mask = torch.tensor([[1, 0, 1, 1], [0, 0, 0, 0], [0, 1, 0, 0]], dtype=torch.bool)
    images = []
    for i in range(3):
        costs = [one(s[i, n], t[i, n], 0.1) for n in range(4) if mask[i, n]]
        images.append(sum(costs) / max(1, len(costs)))
    same(soft_cross_entropy(s, t, mask, temperature=0.1), sum(images) / 3, s)


def test_packed_rows_with_their_weights_equal_the_masked_tokens() -> None:
    s, t = given(3, 4, 5)
    mask = torch.tensor([[1, 0, 1, 1], [0, 0, 0, 0], [0, 1, 0, 0]], dtype=torch.bool)
    each = (1 / mask.double().sum(dim=1).clamp(min=1) / 3)[:, None].expand(3, 4)
    weights = F.pad(each[mask], (0, 2))  # two rows of padding
    packed, target = F.pad(s[mask], (0, 0, 0, 2)), F.pad(t[mask], (0, 0, 0, 2))
    fast = soft_cross_entropy(packed, target, weights=weights, temperature=0.1)
    same(fast, soft_cross_entropy(s, t, mask, temperature=0.1), s)


def test_hand_computed_numbers() -> None:
    t = torch.tensor([[0.25, 0.75]])
    assert soft_cross_entropy(torch.zeros(1, 2), t, temperature=0.1).item() == pytest.approx(math.log(2))
    s = torch.tensor([[0.0, math.log(3.0)]])
    entropy = -0.25 * math.log(0.25) - 0.75 * math.log(0.75)
    assert soft_cross_entropy(s, t, temperature=1.0).item() == pytest.approx(entropy)
    assert mse_loss(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 2.0]])).item() == 2.0


def test_half_logits_are_taken_in_full_precision() -> None:
    s, t = given(4, 6)
    low = soft_cross_entropy(s.bfloat16(), t.bfloat16(), temperature=0.1)
    assert low.dtype == torch.float32
    exact = soft_cross_entropy(s.bfloat16().double(), t.bfloat16().double(), temperature=0.1)
    assert low.item() == pytest.approx(exact.item(), rel=1e-5)


def test_mse_equals_a_slow_loop() -> None:
    p, t = given(3, 4)
    same(mse_loss(p, t), sum((p[i, k] - t[i, k]) ** 2 for i in range(3) for k in range(4)) / 12, p)


MULTICROP = """
graphssl: 1
name: tiny
nodes:
  large: {op: augment, views: [quick, quick], size: 32}
  small: {op: augment, recipe: quick, count: 8, size: 32}
  f: {op: encoder, in: [large, small], arch: resnet18, args: {channels: [4, 4, 4, 4]}}
  t: {op: ema, of: f, in: large, momentum: 0.9}
  p: {op: softmax, in: t, temperature: 0.04}
  loss: {op: soft_cross_entropy, in: {prediction: f, target: p}, pairs: other_view}
represent: f
"""


def test_ten_views_meet_two_targets_in_all_pairs_but_those_of_one_view() -> None:
    method = graphssl.load(MULTICROP)
    loss = method.checked_graph().nodes["loss"]
    assert loss.pairs == ((0, 1), (1, 0), *((i, j) for i in range(2, 10) for j in range(2)))
    assert len(loss.pairs) == 2 * 10 - 2
    module = graphssl.compile(method)
    views = {"large": list(torch.randn(2, 2, 3, 32, 32)), "small": list(torch.randn(8, 2, 3, 32, 32))}
    out = module(views, keep=["f", "p"])
    f, p = out.values["f"], out.values["p"]
    terms = [soft_cross_entropy(f[i], p[j], temperature=0.1) for i in range(10) for j in range(2) if i != j]
    assert torch.allclose(out.loss, sum(terms) / 18)
