"""Contrastive losses against slow obvious loops, hand-computed numbers and known limits."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from graphssl.ops.contrastive import info_nce, negatives_loss, nt_xent
from graphssl.ops.modules import blocks

torch.manual_seed(0)


def cosine(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum() / (a.norm() * b.norm())


def loop_info_nce(q: Tensor, k: Tensor, negatives: Tensor | None, tau: float) -> Tensor:
    total = torch.zeros((), dtype=q.dtype)
    for i in range(len(q)):
        right = (cosine(q[i], k[i]) / tau).exp()
        others = k if negatives is None else negatives
        everything = sum((cosine(q[i], c) / tau).exp() for c in others)
        if negatives is not None:
            everything = everything + right
        total = total - (right / everything).log()
    return total / len(q)


def loop_nt_xent(z1: Tensor, z2: Tensor, tau: float) -> Tensor:
    rows = torch.cat([z1, z2])
    n, total = len(z1), torch.zeros((), dtype=z1.dtype)
    for i in range(2 * n):
        j = (i + n) % (2 * n)
        right = (cosine(rows[i], rows[j]) / tau).exp()
        everything = sum((cosine(rows[i], rows[c]) / tau).exp() for c in range(2 * n) if c != i)
        total = total - (right / everything).log()
    return total / (2 * n)


def same_value_and_gradient(fast: Tensor, slow: Tensor, *inputs: Tensor) -> None:
    assert torch.allclose(fast, slow, rtol=1e-10)
    fast_gradient = torch.autograd.grad(fast, inputs)
    slow_gradient = torch.autograd.grad(slow, inputs)
    for a, b in zip(fast_gradient, slow_gradient, strict=True):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-12)


def rows(n: int, d: int = 5) -> Tensor:
    return torch.randn(n, d, dtype=torch.float64, requires_grad=True)


def test_info_nce_with_in_batch_negatives_equals_a_slow_loop() -> None:
    q, k = rows(6), rows(6)
    same_value_and_gradient(info_nce(q, k, temperature=0.2), loop_info_nce(q, k, None, 0.2), q, k)


def test_info_nce_with_a_queue_equals_a_slow_loop() -> None:
    q, k, queue = rows(4), rows(4), rows(9)
    fast = info_nce(q, k, queue, temperature=0.07)
    same_value_and_gradient(fast, loop_info_nce(q, k, queue, 0.07), q, k)


def test_nt_xent_equals_a_slow_loop() -> None:
    z1, z2 = rows(5), rows(5)
    same_value_and_gradient(nt_xent([z1, z2], temperature=0.5), loop_nt_xent(z1, z2, 0.5), z1, z2)


def test_info_nce_on_orthogonal_rows_is_the_number_computed_by_hand() -> None:
    # q0 = k0 = (1, 0), q1 = k1 = (0, 1), tau 1: each term is -log(e / (e + 1))
    eye = torch.eye(2, dtype=torch.float64)
    assert info_nce(eye, eye, temperature=1.0).item() == pytest.approx(math.log(1 + math.exp(-1)))


def test_nt_xent_on_orthogonal_rows_is_the_number_computed_by_hand() -> None:
    # every anchor has its positive at similarity 1 and two negatives at 0: -log(e / (e + 2))
    eye = torch.eye(2, dtype=torch.float64)
    assert nt_xent([eye, eye], temperature=1.0).item() == pytest.approx(math.log((math.e + 2) / math.e))


@pytest.mark.parametrize("n", [2, 7])
def test_equal_rows_give_the_logarithm_of_the_number_of_candidates(n: int) -> None:
    same = torch.ones(n, 3)
    assert info_nce(same, same, temperature=0.1).item() == pytest.approx(math.log(n), rel=1e-5)
    assert nt_xent([same, same], temperature=0.1).item() == pytest.approx(math.log(2 * n - 1), rel=1e-5)
    queue = torch.ones(11, 3)
    assert info_nce(same, same, queue, temperature=0.1).item() == pytest.approx(math.log(1 + 11), rel=1e-5)


def test_losses_stay_finite_and_in_full_precision_for_half_inputs() -> None:
    z = (100 * torch.randn(8, 16)).to(torch.bfloat16)
    for loss in (info_nce(z, z, temperature=0.01), nt_xent([z, z], temperature=0.01)):
        assert loss.dtype == torch.float32
        assert loss.isfinite()


def test_nt_xent_of_three_views_averages_over_ordered_pairs_of_views() -> None:
    z = [rows(4) for _ in range(3)]
    every = torch.cat(z)
    total = torch.zeros((), dtype=torch.float64)
    for i in range(3):
        for j in range(3):
            for n in range(4):
                if i != j:
                    a = i * 4 + n
                    right = (cosine(every[a], every[j * 4 + n]) / 0.3).exp()
                    total -= (right / sum((cosine(every[a], every[c]) / 0.3).exp() for c in range(12) if c != a)).log()
    assert torch.allclose(nt_xent(z, temperature=0.3), total / (4 * 6))


def loop_negatives(queries: list[Tensor], keys: list[Tensor], tau: float) -> Tensor:
    terms = []
    for u, v in ((0, 1), (1, 0)):
        for i in range(len(queries[u])):
            own = [cosine(queries[u][i], keys[u][j]) for j in range(len(keys[u])) if j != i]
            other = [cosine(queries[u][i], row) for row in keys[v]]
            terms.append(tau * sum((s / tau).exp() for s in own + other).log())
    return sum(terms) / len(terms)


def test_the_negatives_term_equals_a_slow_loop() -> None:
    q, k = [rows(5), rows(5)], [rows(5), rows(5)]
    same_value_and_gradient(negatives_loss(q, k, temperature=0.2), loop_negatives(q, k, 0.2), *q, *k)


def test_alignment_and_negatives_together_are_nt_xent_times_the_temperature() -> None:
    a, b = rows(6), rows(6)
    alignment = -torch.nn.functional.cosine_similarity(a, b).mean()
    together = alignment + negatives_loss([a, b], [a, b], temperature=0.3)
    same_value_and_gradient(together, 0.3 * nt_xent([a, b], temperature=0.3), a, b)


@pytest.mark.parametrize(
    "loss",
    [
        lambda a, b: info_nce(a, b, temperature=0.2),
        lambda a, b: info_nce(a, b, torch.ones(7, 5, dtype=torch.float64), temperature=0.2),
        lambda a, b: nt_xent([a, b], temperature=0.2),
        lambda a, b: negatives_loss([a, b], [b, a], temperature=0.2),
    ],
    ids=["info_nce", "info_nce with negatives", "nt_xent", "negatives_loss"],
)
def test_a_batch_too_large_for_one_block_of_logits_gives_the_same(
    loss: Callable[[Tensor, Tensor], Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = rows(11), rows(11)
    at_once = loss(a, b)
    monkeypatch.setattr(blocks, "LOGITS", 70)  # blocks of three to eight rows, the last one shorter
    same_value_and_gradient(loss(a, b), at_once, a, b)


def test_no_more_logits_than_a_block_are_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "LOGITS", 1000)
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.numel()) or x, lambda x: x):
        nt_xent([rows(200), rows(200)], temperature=0.2)
    assert max(kept) <= 400 * 5  # the candidates themselves, never 200 × 400 logits
