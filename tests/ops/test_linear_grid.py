"""Classifiers side by side: each ends where it would have ended alone, at its own learning rate."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

import graphssl
from graphssl.ops.modules.linear_grid import LinearGrid
from graphssl.runtime.optim import Optimizers

SCALES = [0.5, 1.0, 4.0]
GRID = """
graphssl: 1
name: grid
nodes:
  v: {op: augment, size: 16, steps: {normalize: none}}
  y: {op: label}
  f: {op: encoder, in: v, arch: resnet10t, args: {channels: [8, 8, 8, 8]}, frozen: true}
  grid: {op: linear_grid, in: {features: f, label: y}, classes: 4, lr_scales: [0.5, 1, 4]}
monitors: {accuracy: grid.best}
represent: f
train: {optimizer: {name: OPTIMIZER}, lr: 0.1, epochs: 1, batch_size: 8}
"""


def features(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(12, 5, generator=generator), torch.randint(-1, 4, (12,), generator=generator)


def test_loss_and_shares_equal_those_of_each_classifier_alone() -> None:
    torch.manual_seed(0)
    grid, (x, y) = LinearGrid(5, count=3, classes=4), features()
    out = grid(x, y)
    known = y >= 0
    alone = [one(x)[known] for one in grid.classifiers]
    torch.testing.assert_close(out.loss, sum(F.cross_entropy(logits, y[known]) for logits in alone))
    shares = [(logits.argmax(dim=1) == y[known]).double().mean().item() for logits in alone]
    assert out.each.tolist() == pytest.approx(shares)
    assert out.best.item() == pytest.approx(max(shares))


def test_without_a_label_nothing_counts() -> None:
    out = LinearGrid(5, count=2, classes=4)(features()[0], torch.full((12,), -1))
    assert out.loss.item() == 0 and out.each.tolist() == [0, 0]


@pytest.mark.parametrize("optimizer", ["sgd, momentum: 0.9", "adamw"])
def test_a_classifier_learns_as_it_would_alone_at_its_own_rate(optimizer: str) -> None:
    graph = graphssl.load(GRID.replace("OPTIMIZER", optimizer)).checked_graph()
    torch.manual_seed(0)
    module: Any = graphssl.compile(graphssl.load(GRID.replace("OPTIMIZER", optimizer)), steps=4, steps_per_epoch=4)
    assert graph.train is not None
    optimizers = Optimizers(module, graph, graph.train, 4, 4)
    starts = [[p.detach().clone().requires_grad_() for p in one.parameters()] for one in module.grid.classifiers]
    rates = []
    width = module.f.num_features
    x = torch.randn(12, width, generator=torch.Generator().manual_seed(1))
    y = features()[1]
    for step in range(4):
        rates.append(optimizers.schedule(step))
        module.grid(x, y).loss.backward()
        optimizers.main.step()
        optimizers.main.zero_grad()
    for scale, one, own in zip(SCALES, module.grid.classifiers, starts, strict=True):
        kind = torch.optim.AdamW if optimizer == "adamw" else torch.optim.SGD
        alone = kind(own, lr=1.0, weight_decay=0.0, **({} if optimizer == "adamw" else {"momentum": 0.9}))
        for rate in rates:
            alone.param_groups[0]["lr"] = rate * scale
            F.cross_entropy(F.linear(x, *own), y, ignore_index=-1).backward()
            alone.step()
            alone.zero_grad()
        for mine, theirs in zip(one.parameters(), own, strict=True):
            torch.testing.assert_close(mine, theirs)


def test_a_rate_of_zero_is_refused() -> None:
    codes = [f.code for f in graphssl.check(GRID.replace("OPTIMIZER", "sgd").replace("[0.5, 1, 4]", "[0, 1]"))]
    assert codes == ["wrong-value"]
