"""kNN against a slow loop and a case worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from graphssl.evaluate.frozen import Labelled
from graphssl.evaluate.knn import knn_accuracy, knn_sweep


def test_it_equals_a_slow_weighted_vote() -> None:
    torch.manual_seed(0)
    bank, labels = torch.randn(50, 6), torch.randint(0, 4, (50,))
    queries, truth = torch.randn(30, 6), torch.randint(0, 4, (30,))
    right = 0
    for query, answer in zip(queries, truth, strict=True):
        similarity = [float(torch.cosine_similarity(query, row, dim=0)) for row in bank]
        nearest = sorted(range(50), key=lambda i: -similarity[i])[:7]
        votes = [0.0] * 4
        for i in nearest:
            votes[int(labels[i])] += math.exp(similarity[i] / 0.07)
        right += votes.index(max(votes)) == int(answer)
    assert knn_accuracy(bank, labels, queries, truth, k=7, temperature=0.07) == right / 30


def test_temperature_decides_between_one_near_and_many_far_neighbours() -> None:
    bank = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.8, -0.6]])
    labels, query = torch.tensor([0, 1, 1]), torch.tensor([[1.0, 0.0]])
    assert knn_accuracy(bank, labels, query, torch.tensor([0]), k=3, temperature=0.1) == 1.0
    assert knn_accuracy(bank, labels, query, torch.tensor([1]), k=3, temperature=10.0) == 1.0


@pytest.mark.parametrize("k", [3, 100])
def test_a_k_larger_than_the_bank_takes_the_whole_bank(k: int) -> None:
    rows, labels = torch.eye(3), torch.arange(3)
    assert knn_accuracy(rows, labels, rows, labels, k=k, temperature=0.07) == 1.0


def test_a_sweep_has_the_score_of_each_setting_and_chooses_on_held_out_images(
    clusters: Callable[..., Labelled],
) -> None:
    found = clusters(40, 30, 2.0)
    held = found.held_out()
    result = knn_sweep(found)
    assert {cell["k"] for cell in result["grid"]} == {1, 5, 10, 20, 50, 100}  # 108 images are left
    for cell in result["grid"]:
        settings = {"k": cell["k"], "temperature": cell["temperature"]}
        for part, score in ((found, "top1"), (held, "held_out")):
            alone = knn_accuracy(part.bank, part.bank_labels, part.queries, part.labels, **settings)
            assert cell[score] == alone, (settings, score)
    chosen = next(cell for cell in result["grid"] if all(cell[name] == result[name] for name in ("k", "temperature")))
    assert chosen["held_out"] == max(cell["held_out"] for cell in result["grid"])
    assert result["top1"] == chosen["top1"] <= result["best_on_test"]
