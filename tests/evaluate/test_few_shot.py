"""Few-shot: draws that are balanced, nested and always the same; means worked out by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from graphssl.evaluate.few_shot import class_means_accuracy, drawn, few_shot
from graphssl.evaluate.frozen import Labelled
from graphssl.runtime.errors import RunError


def test_draws_are_balanced_nested_and_repeatable() -> None:
    labels = torch.tensor([2, 0, 1, 1, 0, 2, 0, 1, 2, 0])
    few, more = drawn(labels, 1, draw=3), drawn(labels, 3, draw=3)
    assert torch.bincount(labels[few]).tolist() == [1, 1, 1] and torch.bincount(labels[more]).tolist() == [3, 3, 3]
    assert set(few.tolist()) < set(more.tolist()) and len(set(more.tolist())) == 9
    assert torch.equal(few, drawn(labels, 1, draw=3))
    assert len({tuple(drawn(labels, 1, draw).tolist()) for draw in range(8)}) > 3


def test_each_image_is_drawn_as_often_as_any_other() -> None:
    labels = torch.arange(2).repeat(5)
    count = torch.bincount(torch.cat([drawn(labels, 1, draw) for draw in range(1000)]), minlength=10)
    assert (count - 200).abs().max() < 60  # five standard deviations are 63


def test_the_nearest_class_mean_by_hand() -> None:
    bank = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, -1.0]])  # means (0.8 0.4) of class 0, (0 -1) of class 4
    labels, queries = torch.tensor([0, 0, 4]), torch.tensor([[0.8, -0.6], [0.0, 1.0], [-0.8, -0.6]])
    assert class_means_accuracy(bank, labels, queries, torch.tensor([4, 0, 4])) == 1.0
    assert class_means_accuracy(bank, labels, queries, torch.tensor([0, 0, 0])) == 1 / 3


def test_the_result_is_the_spread_over_draws(clusters: Callable[..., Labelled]) -> None:
    found = clusters(20, 30, 2.0)
    result = few_shot(found, shots=[5, 1], draws=4)
    assert [row["shots"] for row in result["results"]] == [1, 5]
    for row in result["results"]:
        for name in ("class_means", "logistic"):
            draws = torch.tensor(row[name]["draws"], dtype=torch.float64)
            assert len(draws) == 4 and row[name]["mean"] == pytest.approx(float(draws.mean()))
            assert row[name]["std"] == pytest.approx(float(draws.std()))
    one, five = (row["class_means"]["mean"] for row in result["results"])
    assert 1 / 3 < one < five
    assert few_shot(found, shots=[1], draws=1)["results"][0]["logistic"]["std"] is None


@pytest.mark.parametrize(
    ("shots", "draws", "words"),
    [([21], 1, "has 20 training images"), ([0], 1, "at least one"), ([1], 0, "at least one")],
)
def test_more_shots_than_images_are_refused(
    clusters: Callable[..., Labelled], shots: list[int], draws: int, words: str
) -> None:
    with pytest.raises(RunError, match=words):
        few_shot(clusters(20, 2), shots=shots, draws=draws)
