"""Logistic regression against Newton's method on the same objective."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from graphssl.evaluate.frozen import Labelled
from graphssl.evaluate.logistic import GRIDS, SCALES, Scale, accuracy, fitted, logistic


def objective(
    weight: torch.Tensor, bias: torch.Tensor, rows: torch.Tensor, labels: torch.Tensor, c: float
) -> torch.Tensor:
    return 0.5 * weight.square().sum() + c * F.cross_entropy(rows @ weight.T + bias, labels, reduction="sum")


def test_it_is_the_minimum_that_torch_finds(clusters: Callable[..., Labelled]) -> None:
    found = clusters(40, 1)
    rows, labels, c = found.bank.double(), found.bank_labels, 0.3
    weight, bias = torch.zeros(3, 5, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    free = [weight.requires_grad_(), bias.requires_grad_()]
    solver = torch.optim.LBFGS(
        free, max_iter=500, tolerance_grad=1e-12, tolerance_change=1e-15, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        solver.zero_grad()
        loss = objective(weight, bias, rows, labels, c)
        loss.backward()
        return loss

    solver.step(closure)
    model, converged = fitted(rows, labels, c, 1000)
    assert converged
    np.testing.assert_allclose(model.coef_, weight.detach().numpy(), atol=2e-3)
    mine = objective(torch.from_numpy(model.coef_), torch.from_numpy(model.intercept_), rows, labels, c)
    torch.testing.assert_close(mine, objective(weight, bias, rows, labels, c), rtol=1e-6, atol=0)


def test_the_grid_is_dinov2s() -> None:
    expected = (10 ** torch.linspace(-6, 5, 45, dtype=torch.float64)).tolist()
    np.testing.assert_allclose(GRIDS["dinov2"], expected)
    assert len(GRIDS["short"]) == 12 and GRIDS["short"][0] == 1e-6 and GRIDS["short"][-1] == 1e5


def test_c_is_chosen_on_held_out_images_and_the_score_is_that_of_all_training_images(
    clusters: Callable[..., Labelled],
) -> None:
    found = clusters(40, 30, 2.0)
    result = logistic(found, scale="none")
    held = found.held_out()
    scores = [
        accuracy(fitted(held.bank, held.bank_labels, c, 1000)[0], held.queries, held.labels) for c in GRIDS["short"]
    ]
    assert [one["held_out"] for one in result["grid"]] == scores
    assert result["C"] == GRIDS["short"][int(np.argmax(scores))]
    whole = fitted(found.bank, found.bank_labels, result["C"], 1000)[0]
    assert result["top1"] == accuracy(whole, found.queries, found.labels) > 1 / 3
    assert result["chosen_on"] == 12 and result["not_converged"] == []


def test_labels_of_the_test_images_decide_nothing(clusters: Callable[..., Labelled]) -> None:
    found = clusters(40, 30)
    wrong = Labelled(found.classes, (found.bank, found.bank_labels), (found.queries, (found.labels + 1) % 3), {})
    assert logistic(found)["C"] == logistic(wrong)["C"]
    assert logistic(found)["grid"] == logistic(wrong)["grid"]


def test_those_that_did_not_converge_are_told(clusters: Callable[..., Labelled]) -> None:
    result = logistic(clusters(40, 5), max_iter=2)
    assert 1e5 in result["not_converged"]


@pytest.mark.parametrize("name", SCALES)
def test_features_are_scaled_by_what_training_images_say(name: str) -> None:
    bank = torch.tensor([[1.0, 2.0, 7.0], [3.0, 4.0, 7.0]])
    scaled = Scale(name, bank)(torch.tensor([[3.0, 4.0, 7.0]]))
    root = 74.0**0.5
    expected = {"standard": [1.0, 1.0, 0.0], "length": [3 / root, 4 / root, 7 / root], "none": [3.0, 4.0, 7.0]}
    torch.testing.assert_close(scaled, torch.tensor([expected[name]]))
