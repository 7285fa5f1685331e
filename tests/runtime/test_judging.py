"""Losses beside what guessing costs and what the best answer would, in whole methods, against slow loops."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import graphssl
from graphssl.ops.modules.distributed import Alone, world
from graphssl.ops.supervised import cross_entropy
from graphssl.runtime.measures import Measuring
from tests.conftest import toy_views

BATCH, STEP = 8, 49

Measured = Callable[..., tuple[dict[str, dict[str, float]], Any]]


@pytest.fixture
def measured(toy: Callable[..., Any]) -> Measured:
    """`measured("byol", keep=[...])`: what a forward of a toy in double precision says of each node, and the step's output."""

    def measure(name: str, keep: tuple[str, ...] = (), **more: Any) -> tuple[dict[str, dict[str, float]], Any]:
        method = toy(name, **more)
        torch.manual_seed(0)
        module = graphssl.compile(method, steps=100, steps_per_epoch=10).double()
        views = toy_views(method, BATCH, dtype=torch.float64)
        reading = Measuring(method.checked_graph(), module, 100, 10, 1).reading(STEP + 1)
        assert reading
        reading.forward(module, views, STEP)
        with torch.no_grad():
            return reading.nodes(), module(views, STEP, keep=keep)

    return measure


@pytest.mark.parametrize(
    ("name", "node", "candidates", "terms"),
    [
        ("infonce", "loss", BATCH, 1),
        ("simclr", "loss", 2 * BATCH - 1, 1),
        ("moco_v2", "loss", 1 + 40, 1),
        ("moco_v3", "loss", BATCH, 2),  # the sum of both directions
        ("dino", "loss", 24, 1),
        ("ibot", "loss", 24, 1),
    ],
)
def test_guessing_costs_the_logarithm_of_the_number_of_candidates(
    measured: Measured, name: str, node: str, candidates: int, terms: int
) -> None:
    found, out = measured(name)
    assert found[node]["chance"] == pytest.approx(terms * math.log(candidates), rel=1e-5)
    assert found[node]["chance_share"] == pytest.approx(float(out.losses[node]) / found[node]["chance"], rel=1e-4)


def test_more_candidates_than_one_batch_are_counted_once_they_are_gathered(measured: Measured) -> None:
    """On one process a gather changes nothing; without it the same."""
    assert measured("simclr")[0]["loss"] == measured("simclr", **{"nodes.z": None, "nodes.loss.in": "g"})[0]["loss"]


def test_where_images_are_masked_guessing_costs_as_much_as_the_masked_ones_count(measured: Measured) -> None:
    """iBOT's patch loss is a mean over all images: those without a masked patch cost nothing."""
    found, out = measured("ibot", keep=("mask",))
    share = torch.cat(out.values["mask"]).flatten(1).any(dim=1).double().mean()
    assert found["patch_loss"]["chance"] == pytest.approx(math.log(24) * float(share), rel=1e-5)


def test_kl_is_that_of_the_target_and_the_prediction_over_all_pairs(measured: Measured) -> None:
    found, out = measured("dino", keep=("h", "p"))
    total, pairs = 0.0, 0
    for i, prediction in enumerate(out.values["h"]):
        answers: list[Tensor] = list((prediction / 0.1).softmax(dim=1))
        for j, target in enumerate(out.values["p"]):
            if i == j:
                continue
            pairs += 1
            for t, s in zip(target.tolist(), answers, strict=True):
                total += sum(a * math.log(a / float(b)) for a, b in zip(t, s, strict=True) if a > 0) / BATCH
    assert found["loss"]["kl"] == pytest.approx(total / pairs, rel=1e-4)


def test_entropy_of_a_target_and_the_prototypes_it_uses(measured: Measured) -> None:
    found, out = measured("dino", keep=("p",))
    rows = out.values["p"][0].tolist()
    each = [-sum(p * math.log(p) for p in row if p > 0) for row in rows]
    mean = [sum(column) / BATCH for column in zip(*rows, strict=True)]
    assert found["p"]["entropy"] == pytest.approx(sum(each) / BATCH, rel=1e-4)
    assert found["p"]["entropy_share"] == pytest.approx(sum(each) / BATCH / math.log(24), rel=1e-4)
    assert found["p"]["prototypes"] == pytest.approx(math.exp(-sum(p * math.log(p) for p in mean if p > 0)), rel=1e-4)


def test_positives_of_a_loss_are_compared_over_all_its_pairs(measured: Measured) -> None:
    """BYOL's loss is the sum over two pairs of the very same distance."""
    found, out = measured("byol")
    assert 2 * found["loss"]["alignment"] == pytest.approx(float(out.losses["loss"]), rel=1e-5)
    assert "chance" not in found["loss"], "a regression has no candidates"


def test_schedules_of_nodes_are_told_as_they_are_at_this_step(measured: Measured) -> None:
    found, _ = measured("byol")
    expected = 1 + (0.95 - 1) * (1 + math.cos(math.pi * STEP / 100)) / 2
    assert found["ft"]["momentum"] == found["gt"]["momentum"] == pytest.approx(expected, rel=1e-5)


def test_a_loss_is_judged_at_the_temperature_of_the_step(measured: Measured) -> None:
    """Temperatures that move with a schedule are those of the step."""
    schedule = {"linear": {"from": 0.1, "to": 0.9}}
    scheduled, out = measured("dino", **{"nodes.loss.temperature": schedule})
    fixed, same = measured("dino", **{"nodes.loss.temperature": 0.1 + 0.8 * STEP / 100})
    assert float(out.losses["loss"]) == pytest.approx(float(same.losses["loss"]))
    assert scheduled["loss"]["kl"] == pytest.approx(fixed["loss"]["kl"], rel=1e-4)
    assert scheduled["loss"]["temperature"] == pytest.approx(0.1 + 0.8 * STEP / 100)


def test_judging_waits_for_no_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the main process measures; a loss that counts labels over all processes would wait for the others for ever."""
    for name, value in (("is_initialized", True), ("get_rank", 1), ("get_world_size", 4)):
        monkeypatch.setattr(torch.distributed, name, lambda value=value: value)
    assert world() == (1, 4)
    with Alone():
        assert world() == (0, 1)
        assert cross_entropy(torch.zeros(3, 5), torch.tensor([0, 4, -1])).item() == pytest.approx(math.log(5))
    assert world() == (1, 4)
