"""Cross-entropy, accuracy and the linear layer against slow loops and numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

import graphssl
from graphssl.ops.modules.mlp import linear, mlp, take_layers
from graphssl.ops.supervised import accuracy, cross_entropy


def slow_cross_entropy(logits: torch.Tensor, label: torch.Tensor, temperature: float, smoothing: float) -> torch.Tensor:
    total, known = torch.zeros((), dtype=logits.dtype), 0
    for row, y in zip(logits, label.tolist(), strict=True):
        if y < 0:
            continue
        known += 1
        denominator = sum(torch.exp(x / temperature) for x in row)
        for k, x in enumerate(row):
            target = smoothing / len(row) + (1 - smoothing if k == y else 0.0)
            total = total - target * torch.log(torch.exp(x / temperature) / denominator)
    return total / max(known, 1)


@pytest.mark.parametrize(("temperature", "smoothing"), [(1.0, 0.0), (0.5, 0.0), (2.0, 0.1)])
def test_cross_entropy_equals_the_loop_in_value_and_gradient(temperature: float, smoothing: float) -> None:
    label = torch.tensor([2, -1, 0, 4, -1, 1])
    a = torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    b = a.detach().clone().requires_grad_()
    fast = cross_entropy(a, label, temperature=temperature, label_smoothing=smoothing)
    slow = slow_cross_entropy(b, label, temperature, smoothing)
    fast.backward()
    slow.backward()
    torch.testing.assert_close(fast, slow)
    torch.testing.assert_close(a.grad, b.grad)
    assert a.grad is not None and not a.grad[1].any() and not a.grad[4].any()


def test_cross_entropy_by_hand() -> None:
    assert cross_entropy(torch.zeros(3, 8), torch.tensor([0, 7, -1])).item() == pytest.approx(math.log(8))
    two = torch.tensor([[math.log(3.0), 0.0]])
    assert cross_entropy(two, torch.tensor([0])).item() == pytest.approx(math.log(4 / 3))
    assert cross_entropy(two, torch.tensor([0]), temperature=0.5).item() == pytest.approx(math.log(10 / 9))
    assert cross_entropy(two, torch.tensor([0]), label_smoothing=1.0).item() == pytest.approx(
        0.5 * math.log(4 / 3) + 0.5 * math.log(4)
    )


def test_without_labels_the_loss_is_zero_and_so_is_its_gradient() -> None:
    logits = torch.randn(4, 3, requires_grad=True)
    loss = cross_entropy(logits, torch.full((4,), -1))
    loss.backward()
    assert loss.item() == 0 and logits.grad is not None and not logits.grad.any()


def test_half_logits_are_summed_in_full_precision() -> None:
    assert cross_entropy(torch.zeros(2, 3, dtype=torch.bfloat16), torch.tensor([0, 1])).dtype == torch.float32


def test_accuracy_counts_only_what_has_a_label() -> None:
    logits = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    assert accuracy(logits, torch.tensor([0, 0, -1, 0])).item() == pytest.approx(2 / 3)
    assert accuracy(logits, torch.full((4,), -1)).item() == 0


def test_a_linear_layer_begins_as_asked() -> None:
    torch.manual_seed(0)
    layer = linear(400, dim=50, init_std=0.01)
    assert layer.weight.shape == (50, 400) and layer.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert not layer.bias.any()
    assert linear(4, dim=2, bias=False).bias is None


def test_hidden_layers_of_a_head_are_ports_and_nothing_behind_them_runs() -> None:
    torch.manual_seed(0)
    head = mlp(6, dims=[5, 4, 3]).eval()
    x = torch.randn(7, 6)
    out = take_layers(head, x, "hidden.0", "hidden.1", "output")
    torch.testing.assert_close(out["hidden.0"], head.act1(head.norm1(head.linear1(x))))
    torch.testing.assert_close(out["hidden.1"], head.act2(head.norm2(head.linear2(out["hidden.0"]))))
    torch.testing.assert_close(out["output"], head(x))
    head.linear2.register_forward_hook(lambda *_: pytest.fail("not needed"))
    assert take_layers(head, x, "hidden.0").keys() == {"hidden.0"}


FILE = """
graphssl: 1
name: mine
nodes:
  v: {op: augment, recipe: quick, size: 32}
  y: {op: label}
  f: {op: encoder, in: v, arch: resnet18, args: {channels: [8, 8, 8, 8]}}
  g: {op: projector, in: f, dims: [16, 12, 8]}
  logits: {op: linear, in: g.hidden.0, dim: 10}
  loss: {op: cross_entropy, in: {logits: logits, label: y}}
represent: g.hidden.0
"""


def test_layers_that_no_port_needs_are_not_built() -> None:
    method = graphssl.load(FILE)
    assert [f.code for f in method.findings] == ["no-train"]
    module = graphssl.compile(method)
    assert [name for name, _ in module.g.named_children()] == ["linear1", "norm1", "act1"]
    assert module.represent(torch.zeros(2, 3, 32, 32)).shape == (2, 16)
    whole = graphssl.compile(graphssl.load("simclr_v2@quick", {"represent": "g.hidden.0"}))
    assert len(list(whole.g.named_children())) == 8


def test_a_hidden_layer_that_is_not_there_is_named() -> None:
    found = graphssl.check(FILE.replace("g.hidden.0", "g.hidden.2"))
    assert [f.code for f in found if f.severity == "error"] == ["build-failed"]
    assert any("has 2 hidden layers, counted from 0: no `hidden.2`" in f.message for f in found)
