"""Packed masked tokens: the same loss as without packing, in a fixed number of rows."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from graphssl.ops.take_masked import take_masked

MASK = torch.tensor([[0, 1, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0]], dtype=torch.bool)


def test_rows_come_image_by_image_with_the_weight_of_their_image() -> None:
    tokens = torch.arange(12.0).reshape(3, 4, 1)
    features, weight = take_masked(tokens=tokens, mask=MASK, room=0.5)
    assert features.shape == (6, 1) and features[:3, 0].tolist() == [1, 2, 8]
    assert weight.tolist() == pytest.approx([1 / 6, 1 / 6, 1 / 3, 0.0, 0.0, 0.0])
    views = take_masked(tokens=[tokens[:2], tokens[2:]], mask=[MASK[:2], MASK[2:]], room=0.5)
    assert torch.equal(views.features, features) and torch.equal(views.weight, weight)


def test_a_weighted_cross_entropy_of_the_rows_is_the_masked_mean() -> None:
    torch.manual_seed(0)
    b, n, k = 5, 9, 7
    mask = torch.rand(b, n) < 0.4
    mask[2] = False
    teacher = torch.randn(b, n, k, dtype=torch.float64).softmax(-1)
    student = torch.randn(b, n, k, dtype=torch.float64, requires_grad=True)

    slow = torch.zeros((), dtype=torch.float64)
    for i in range(b):
        terms = [-(teacher[i, j] * student[i, j].log_softmax(-1)).sum() for j in range(n) if mask[i, j]]
        slow = slow + sum(terms, torch.zeros((), dtype=torch.float64)) / max(1, len(terms)) / b
    (expected,) = torch.autograd.grad(slow, student)

    s, weight = take_masked(tokens=student, mask=mask, room=0.8)
    t, same = take_masked(tokens=teacher, mask=mask, room=0.8)
    assert s.shape == (36, k) and torch.equal(weight, same)
    packed = (weight * -(t * F.log_softmax(s, dim=-1)).sum(-1)).sum()
    (got,) = torch.autograd.grad(packed, student)
    torch.testing.assert_close(packed, slow, rtol=1e-6, atol=0)  # weights are float32
    torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-9)


def test_the_number_of_rows_does_not_depend_on_the_mask() -> None:
    tokens = torch.randn(3, 4, 2)
    for mask in (MASK, torch.zeros_like(MASK)):
        features, weight = take_masked(tokens=tokens, mask=mask, room=0.3)
        assert features.shape == (4, 2) and weight.shape == (4,)  # ⌈0.3 · 12⌉
    assert weight.tolist() == [0.0] * 4


def test_too_little_room_is_an_error_not_a_loss_of_rows() -> None:
    with pytest.raises(RuntimeError, match="raise its `room`"):
        take_masked(tokens=torch.randn(3, 4, 2), mask=MASK, room=0.1)


def test_padding_rows_are_zero_and_give_no_gradient() -> None:
    tokens, mask = torch.randn(2, 4, 3, requires_grad=True), torch.tensor([[True, False, False, True], [False] * 4])
    features, weight = take_masked(tokens, mask, room=0.5)
    assert torch.equal(features[:2], tokens[0, [0, 3]]) and weight[:2].all()
    assert not features[2:].any() and not weight[2:].any()
    features.sum().backward()
    assert torch.equal(tokens.grad.sum(dim=2) != 0, mask)
