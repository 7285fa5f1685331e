"""Softmax and Sinkhorn against slow obvious loops and hand-computed numbers."""

from __future__ import annotations

import math

import pytest
import torch

from graphssl.ops.assignment import sinkhorn, softmax


def logits(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def loop(x: torch.Tensor, temperature: float, iterations: int) -> list[list[float]]:
    """The authors' matrix, prototypes by samples, one number at a time, with all their factors."""
    b, k = x.shape
    q = [[math.exp(x[i, j].item() / temperature) for i in range(b)] for j in range(k)]
    total = sum(map(sum, q))
    q = [[value / total for value in row] for row in q]
    for _ in range(iterations):
        q = [[value / sum(row) / k for value in row] for row in q]
        sums = [sum(q[j][i] for j in range(k)) for i in range(b)]
        q = [[value / sums[i] / b for i, value in enumerate(row)] for row in q]
    return [[q[j][i] * b for j in range(k)] for i in range(b)]


@pytest.mark.parametrize("iterations", [1, 3])
def test_sinkhorn_equals_a_slow_loop(iterations: int) -> None:
    x = logits(5, 4)
    got = sinkhorn(x, temperature=0.3, iterations=iterations)
    assert torch.allclose(got, torch.tensor(loop(x, 0.3, iterations), dtype=torch.float64), rtol=1e-12)


def test_sinkhorn_of_two_equal_preferences_by_hand() -> None:
    """Odds 2:1 and 4:1: columns (2/3, 4/5 and 1/3, 1/5) by their sums 22/15 and 8/15, then rows."""
    x = torch.tensor([[2 / 3, 1 / 3], [4 / 5, 1 / 5]], dtype=torch.float64).log()
    got = sinkhorn(x, temperature=1.0, iterations=1)
    assert got[0].tolist() == pytest.approx([(10 / 22) / (10 / 22 + 5 / 8), (5 / 8) / (10 / 22 + 5 / 8)])
    assert got[1].tolist() == pytest.approx([(12 / 22) / (12 / 22 + 3 / 8), (3 / 8) / (12 / 22 + 3 / 8)])


def test_sinkhorn_ends_in_rows_of_one_and_balanced_columns() -> None:
    q = sinkhorn(logits(12, 4), temperature=0.5, iterations=200)
    assert torch.allclose(q.sum(dim=1), torch.ones(12, dtype=torch.float64))
    assert torch.allclose(q.sum(dim=0), torch.full((4,), 3.0, dtype=torch.float64))


def test_sinkhorn_takes_tokens_as_rows_and_leaves_out_padding() -> None:
    x = logits(2, 3, 4)
    flat = sinkhorn(x.flatten(0, 1), temperature=0.1)
    assert torch.allclose(sinkhorn(x, temperature=0.1), flat.view(2, 3, 4))
    mask = torch.tensor([[True, False, True], [True, True, False]])
    assert torch.allclose(sinkhorn(x, mask, temperature=0.1)[mask], sinkhorn(x[mask], temperature=0.1), rtol=1e-10)
    assert sinkhorn(x, torch.zeros_like(mask), temperature=0.1).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_sinkhorn_does_not_overflow(dtype: torch.dtype) -> None:
    q = sinkhorn((1000 * logits(6, 5)).to(dtype), temperature=0.04)
    assert q.dtype == torch.float32
    assert torch.allclose(q.sum(dim=1), torch.ones(6))


def test_sinkhorn_gives_no_gradient_and_softmax_does() -> None:
    x = logits(3, 4).requires_grad_()
    assert not sinkhorn(x, temperature=0.1).requires_grad
    assert softmax(x, temperature=0.1).requires_grad


def test_softmax_by_hand_and_in_full_precision() -> None:
    x = torch.tensor([[0.0, math.log(3.0) * 0.5]])
    assert softmax(x, temperature=0.5)[0].tolist() == pytest.approx([0.25, 0.75])
    assert softmax(x, temperature=torch.tensor(0.5)).tolist() == softmax(x, temperature=0.5).tolist()
    assert softmax(x.half(), temperature=0.04).dtype == torch.float32
