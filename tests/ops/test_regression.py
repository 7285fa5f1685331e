"""The cosine loss against a loop, numbers computed by hand, and what it does with its target."""

from __future__ import annotations

import pytest
import torch

from graphssl.ops.regression import cosine_loss


def test_it_equals_two_minus_twice_the_cosine() -> None:
    torch.manual_seed(0)
    p, t = torch.randn(6, 4, dtype=torch.float64, requires_grad=True), torch.randn(6, 4, dtype=torch.float64)
    slow = sum(2 - 2 * (p[i] @ t[i]) / (p[i].norm() * t[i].norm()) for i in range(6)) / 6
    fast = cosine_loss(p, t)
    assert torch.allclose(fast, slow)
    assert torch.allclose(torch.autograd.grad(fast, p)[0], torch.autograd.grad(slow, p)[0])


@pytest.mark.parametrize(("target", "expected"), [((1, 0), 0.0), ((0, 1), 2.0), ((-2, 0), 4.0), ((1, 1), 2 - 2**0.5)])
def test_hand_computed_values(target: tuple[float, float], expected: float) -> None:
    loss = cosine_loss(torch.tensor([[3.0, 0.0]]), torch.tensor([target], dtype=torch.float32))
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_without_normalize_it_is_the_squared_distance() -> None:
    loss = cosine_loss(torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 4.0]]), normalize=False)
    assert loss.item() == 25.0
