"""Pure ops on tensors: joining and pooling."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import graphssl
from graphssl.ops.tensors import mean_pool
from tests.conftest import TOY_ENCODER

JOINED = """
graphssl: 1
name: joined
nodes:
  v: {op: augment, size: 16, steps: {normalize: none}}
  f: {op: encoder, in: v, arch: resnet10t, args: ARGS}
  a: {op: projector, in: f, dims: [3]}
  b: {op: projector, in: f, dims: [5]}
  x: {op: concat, in: [a, b, a], along: ALONG}
  q: {op: predictor, in: x, dims: [4]}
  n: {op: koleo_loss, in: q}
train: {optimizer: sgd, lr: 0.1, epochs: 1, batch_size: 8}
represent: f
""".replace("ARGS", str(TOY_ENCODER))


def out(text: str) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    module: Any = graphssl.compile(graphssl.load(text))
    found: dict[str, torch.Tensor] = module({"v": torch.randn(6, 3, 16, 16)}, keep=["a", "b", "x", "q"]).values
    return found


def test_features_of_different_widths_are_joined() -> None:
    method = graphssl.load(JOINED.replace("ALONG", "features"))
    assert [f for f in graphssl.check(method) if f.severity == "error"] == []
    values = out(JOINED.replace("ALONG", "features"))
    assert torch.equal(values["x"], torch.cat([values["a"], values["b"], values["a"]], dim=1))
    assert values["q"].shape == (6, 4)


def test_samples_are_joined() -> None:
    text = JOINED.replace("dims: [5]", "dims: [3]").replace("ALONG", "batch")
    values = out(text)
    assert torch.equal(values["x"], torch.cat([values["a"], values["b"], values["a"]]))


def test_samples_of_different_widths_cannot_be_joined() -> None:
    findings = graphssl.check(JOINED.replace("ALONG", "batch"))
    assert [(f.code, f.node) for f in findings if f.severity == "error"] == [("run-failed", "x")]


@pytest.mark.parametrize("shape", [(2, 6, 4), (2, 4, 2, 3)])
def test_mean_pool_averages_over_places(shape: tuple[int, ...]) -> None:
    x = torch.arange(48.0).reshape(shape)
    pooled = mean_pool(x)
    rows = x.reshape(2, 4, 6).mean(dim=2) if x.dim() == 4 else sum(x[:, i] for i in range(6)) / 6
    assert pooled.shape == (2, 4)
    torch.testing.assert_close(pooled, rows)
