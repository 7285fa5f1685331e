"""Ops of dense prediction against slow loops, and in graphs."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

import graphssl
from graphssl.ops.modules.segmentation import segmentation_head
from graphssl.ops.segmentation import upsample
from graphssl.ops.supervised import accuracy, cross_entropy
from graphssl.runtime.makers import makers_of


def graph(text: str) -> Any:
    return graphssl.load(f"graphssl: 1\nextends: segmentation\nname: mine\n{text}")


def test_the_head_is_batch_norm_and_a_linear_layer_at_each_place() -> None:
    torch.manual_seed(0)
    head = segmentation_head(4, dim=3)
    x = torch.randn(5, 4, 2, 3)
    found = head(x)
    weight, bias = head.classifier.weight[:, :, 0, 0], head.classifier.bias
    mean = x.mean(dim=(0, 2, 3))
    std = (x.var(dim=(0, 2, 3), correction=0) + head.norm.eps).sqrt()
    for i in range(5):
        for row in range(2):
            for column in range(3):
                place = (x[i, :, row, column] - mean) / std
                torch.testing.assert_close(found[i, :, row, column], weight @ place + bias, rtol=1e-4, atol=1e-5)


def test_the_head_begins_as_asked() -> None:
    torch.manual_seed(0)
    head = segmentation_head(400, dim=50, init_std=0.01)
    assert head.classifier.weight.std().item() == pytest.approx(0.01, rel=0.05) and not head.classifier.bias.any()


def test_upsampling_is_bilinear_between_the_middles_of_places() -> None:
    x = torch.randn(1, 2, 3, 4, dtype=torch.float64)
    found = upsample(x, torch.zeros(1, 7, 10))
    assert found.shape == (1, 2, 7, 10)
    for row in range(7):
        for column in range(10):
            down, along = (min(max((i + 0.5) * n / m - 0.5, 0), n - 1) for i, n, m in ((row, 3, 7), (column, 4, 10)))
            top, left = min(int(down), 1), min(int(along), 2)
            a, b = down - top, along - left
            part = x[0, :, top : top + 2, left : left + 2]
            expected = (1 - a) * ((1 - b) * part[:, 0, 0] + b * part[:, 0, 1]) + a * (
                (1 - b) * part[:, 1, 0] + b * part[:, 1, 1]
            )
            torch.testing.assert_close(found[0, :, row, column], expected)


def test_cross_entropy_and_accuracy_count_each_known_pixel() -> None:
    logits = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    label = torch.randint(-1, 3, (2, 4, 5), generator=torch.Generator().manual_seed(0))
    total, right, known = 0.0, 0, 0
    for i in range(2):
        for row in range(4):
            for column in range(5):
                y, x = int(label[i, row, column]), logits[i, :, row, column].detach()
                if y >= 0:
                    total += math.log(sum(math.exp(float(z)) for z in x)) - float(x[y])
                    right += int(x.argmax()) == y
                    known += 1
    loss = cross_entropy(logits, label)
    assert loss.item() == pytest.approx(total / known) and accuracy(logits, label).item() == pytest.approx(
        right / known
    )
    loss.backward()
    assert logits.grad is not None and not logits.grad.permute(0, 2, 3, 1)[label < 0].any()


def test_the_bundled_graph_trains_the_head_alone() -> None:
    method = graphssl.load("segmentation", {"params.classes": 7, "nodes.v.size": 64})
    assert graphssl.check(method) == []
    module = graphssl.compile(method, steps=10)
    trained = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    assert trained == {
        f"logits.{name}" for name in ("norm.weight", "norm.bias", "classifier.weight", "classifier.bias")
    }
    out = module(
        {"v": torch.randn(2, 3, 64, 64), "y": torch.randint(0, 7, (2, 64, 64))}, step=0, keep=["dense", "logits"]
    )
    assert out.values["logits"].shape == (2, 7, 8, 8) and out.values["dense"].shape == (2, 7, 64, 64)
    assert out.loss.item() == pytest.approx(math.log(7), abs=0.1)


def test_label_maps_are_made_from_the_node_they_name() -> None:
    changed = graph("nodes:\n  v: {size: 32}\n  w: {op: augment, size: 32, like: v}\n  z: {op: label_map, in: w}\n")
    makers = makers_of(changed.checked_graph(), seed=0, steps=1, per_epoch=1)
    assert makers["y"]._views is makers["v"] and makers["z"]._views is makers["w"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("change", "code"),
    [("nodes: {y: {in: logits}}", "port-type-mismatch"), ("nodes: {logits: {in: f}}", "port-type-mismatch"),
     ("nodes: {dense: {in: {like: f}}}", "port-type-mismatch"), ("nodes: {logits: {dim: 1}}", "wrong-value")],
)  # fmt: skip
def test_what_does_not_fit_is_told(change: str, code: str) -> None:
    assert code in {
        finding.code
        for finding in graphssl.check(f"graphssl: 1\nextends: segmentation\nname: mine\n{change}", static=True)
    }
