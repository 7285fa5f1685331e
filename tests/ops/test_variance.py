"""The VICReg loss against a slow obvious loop, the authors' own lines, and hand-computed numbers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import graphssl
from graphssl.ops.variance import vicreg_loss

PAPER = {"invariance": 25.0, "variance": 25.0, "covariance": 1.0}
TERMS = {
    "invariance": {"invariance": 1.0, "variance": 0.0, "covariance": 0.0},
    "variance": {"invariance": 0.0, "variance": 1.0, "covariance": 0.0},
    "covariance": {"invariance": 0.0, "variance": 0.0, "covariance": 1.0},
}
VICREG = """
graphssl: 1
name: tiny
nodes:
  v1: {op: augment, recipe: quick, size: 32}
  v2: {op: augment, recipe: quick, size: 32}
  f: {op: encoder, in: [v1, v2], arch: resnet18}
  z: {op: gather, in: f}
  loss: {op: vicreg_loss, in: INPUT}
represent: f
train: {optimizer: adamw, lr: 1e-3, epochs: 1, batch_size: 8}
"""


def rows(n: int = 6, d: int = 4, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, dtype=torch.float64, generator=generator).mul(0.7).requires_grad_()


def loop(views: list[Tensor], invariance: float, variance: float, covariance: float) -> Tensor:
    """Two views, one number at a time."""
    x, y = views
    n, d = x.shape
    distance = sum((x[i, j] - y[i, j]) ** 2 for i in range(n) for j in range(d)) / (n * d)
    spread, correlation = torch.zeros((), dtype=x.dtype), torch.zeros((), dtype=x.dtype)
    for z in views:
        mean = [sum(z[i, j] for i in range(n)) / n for j in range(d)]
        for j in range(d):
            var = sum((z[i, j] - mean[j]) ** 2 for i in range(n)) / (n - 1)
            spread = spread + (1 - (var + 1e-4).sqrt()).clamp(min=0) / d / 2
            for k in range(d):
                if j != k:
                    cov = sum((z[i, j] - mean[j]) * (z[i, k] - mean[k]) for i in range(n)) / (n - 1)
                    correlation = correlation + cov**2 / d
    return invariance * distance + variance * spread + covariance * correlation


@pytest.mark.parametrize("weights", [PAPER, *TERMS.values()], ids=["all", *TERMS])
def test_it_equals_a_slow_loop_in_value_and_gradient(weights: dict[str, float]) -> None:
    x, y = rows(seed=1), rows(seed=2)
    fast, slow = vicreg_loss([x, y], **weights), loop([x, y], **weights)
    assert torch.allclose(fast, slow, rtol=1e-12)
    for a, b in zip(torch.autograd.grad(fast, (x, y)), torch.autograd.grad(slow, (x, y)), strict=True):
        assert torch.allclose(a, b, rtol=1e-10, atol=1e-14)


def test_constant_rows_cost_the_whole_variance_term_and_nothing_else() -> None:
    constant = torch.full((8, 5), 3.0)
    assert vicreg_loss([constant, constant], **PAPER).item() == pytest.approx(25 * (1 - 0.01))


def test_the_invariance_is_a_mean_over_samples_and_features() -> None:
    x = torch.zeros(2, 2)
    y = torch.tensor([[2.0, 0.0], [0.0, 0.0]])
    assert vicreg_loss([x, y], **TERMS["invariance"]).item() == 1.0  # 2² over four numbers


def test_the_variance_divides_by_one_less_than_the_batch_and_stops_at_one() -> None:
    x = torch.tensor([[0.0], [0.5]])  # variance 0.125 with n - 1
    y = torch.tensor([[0.0], [9.0]])  # deviation above 1: no cost
    expected = (1 - (0.125 + 1e-4) ** 0.5) / 2
    assert vicreg_loss([x, y], **TERMS["variance"]).item() == pytest.approx(expected)


def test_the_covariance_is_summed_over_views_and_divided_by_the_features() -> None:
    x = torch.tensor([[1.0, 1.0], [-1.0, -1.0]])  # variances and covariance 2
    assert vicreg_loss([x, x], **TERMS["covariance"]).item() == pytest.approx(2 * (2 * 2**2 / 2))


def test_one_feature_has_no_covariance() -> None:
    x = torch.tensor([[1.0], [2.0]])
    assert vicreg_loss([x, x], **TERMS["covariance"]).item() == 0.0


def test_three_views_of_which_two_are_equal_weigh_as_two_do() -> None:
    x = rows()
    two, three = vicreg_loss([x, x], **PAPER), vicreg_loss([x, x, x], **PAPER)
    assert torch.allclose(two, three)


def test_half_inputs_are_computed_in_full_precision() -> None:
    x, y = rows(seed=3).bfloat16(), rows(seed=4).bfloat16()
    half = vicreg_loss([x, y], **PAPER)
    assert half.dtype == torch.float32
    assert torch.equal(half, vicreg_loss([x.float(), y.float()], **PAPER))


def errors(text: str) -> list[str]:
    return [finding.code for finding in graphssl.check(text, static=True) if finding.severity == "error"]


@pytest.mark.parametrize("given", ["f", "z"])
def test_it_takes_views_of_one_rank_or_of_all(given: str) -> None:
    assert errors(VICREG.replace("INPUT", given)) == []


def test_it_refuses_a_view_of_one_rank_beside_one_of_all() -> None:
    text = VICREG.replace("in: [v1, v2]", "in: v1").replace("INPUT", "[f, z]")
    assert errors(text) == ["gather-mismatch"]


def test_it_needs_two_views() -> None:
    assert errors(VICREG.replace("in: [v1, v2]", "in: v1").replace("INPUT", "f")) == ["needs-list"]


def test_nothing_is_said_about_collapse() -> None:
    assert "collapse-risk" not in {finding.code for finding in graphssl.check("vicreg@quick", static=True)}
