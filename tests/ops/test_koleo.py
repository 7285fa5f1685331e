"""KoLeo against a slow obvious loop, and finite where rows coincide."""

from __future__ import annotations

import math

import pytest
import torch

from graphssl.ops.koleo import koleo_loss


def rows(n: int = 6, d: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def loop(x: torch.Tensor) -> torch.Tensor:
    z = [row / row.norm() for row in x]
    total = torch.zeros((), dtype=x.dtype)
    for i in range(len(z)):
        others = [j for j in range(len(z)) if j != i]
        nearest = max(others, key=lambda j: torch.dot(z[i], z[j]).item())
        total = total - ((z[i] - z[nearest]).norm() + 1e-8).log()
    return total / len(z)


@pytest.mark.parametrize("seed", range(3))
def test_it_equals_a_slow_loop_in_value_and_gradient(seed: int) -> None:
    x = rows(seed=seed)
    fast, slow = koleo_loss(x), loop(x)
    assert torch.allclose(fast, slow, rtol=1e-12)
    a, b = torch.autograd.grad(fast, x)[0], torch.autograd.grad(slow, x)[0]
    assert torch.allclose(a, b, rtol=1e-9, atol=1e-13)


def test_hand_computed_numbers() -> None:
    """Three directions at 0°, 90° and 180°: every nearest neighbour is at distance √2."""
    x = torch.tensor([[5.0, 0.0], [0.0, 2.0], [-1.0, 0.0]])
    assert koleo_loss(x).item() == pytest.approx(-math.log(math.sqrt(2)), abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_equal_rows_and_a_single_row_are_finite_and_push_nowhere(n: int, dtype: torch.dtype) -> None:
    x = rows(1).detach().to(dtype).repeat(n, 1).requires_grad_()
    loss = koleo_loss(x)
    loss.backward()
    assert loss.item() == pytest.approx(-math.log(1e-8), rel=1e-6)
    assert not x.grad.any()


def test_zero_rows_and_neighbours_that_almost_coincide_have_finite_gradient() -> None:
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1e-7], [1.0, 1e-7]], requires_grad=True)
    koleo_loss(x).backward()
    assert x.grad.isfinite().all()


def test_a_step_down_the_gradient_pushes_neighbours_apart() -> None:
    x = rows(8)
    x.grad = None
    koleo_loss(x).backward()
    assert koleo_loss(x - 0.01 * x.grad) < koleo_loss(x)
