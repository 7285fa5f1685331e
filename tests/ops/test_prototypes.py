"""The prototype head: structure, start, weight-normed last layer, and its copies."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F

import graphssl
from graphssl.ops.modules.links import copy_of, ema_update, starting_as
from graphssl.ops.modules.prototypes import Prototypes

G, V = (f"last_layer.parametrizations.weight.original{i}" for i in (0, 1))


def head(**more: object) -> Prototypes:
    torch.manual_seed(0)
    return Prototypes(6, **{"hidden": [10, 12], "bottleneck": 4, "count": 7, **more})  # type: ignore[arg-type]


def test_it_is_an_mlp_a_point_on_the_sphere_and_its_products_with_unit_rows() -> None:
    module = head().double()
    x = torch.randn(5, 6, dtype=torch.float64)
    m = module.mlp
    z = m.last(F.gelu(m.linear2(F.gelu(m.linear1(x)))))
    logits = module(x)
    for i in range(5):
        for k, v in enumerate(module.get_parameter(V)):
            expected = torch.dot(z[i], v) / (z[i].norm() * v.norm())
            assert torch.allclose(logits[i, k], expected, rtol=1e-12)


def test_tokens_are_taken_one_by_one() -> None:
    module, x = head(), torch.randn(3, 5, 6)
    assert torch.allclose(module(x), torch.stack([module(tokens) for tokens in x.unbind(1)], dim=1), atol=1e-6)


@pytest.mark.parametrize(("weight_norm", "trained"), [("free", True), ("frozen", False)])
def test_lengths_start_at_one_and_are_trained_or_not(weight_norm: str, trained: bool) -> None:
    g = head(weight_norm=weight_norm).get_parameter(G)
    assert torch.equal(g, torch.ones(7, 1))
    assert g.requires_grad is trained


def test_without_weight_norm_the_last_layer_is_plain() -> None:
    module = head(weight_norm="none", count=4000)
    assert [name for name, _ in module.last_layer.named_parameters()] == ["weight"]
    assert module.last_layer.weight.std().item() == pytest.approx(0.02, rel=0.05)


def test_layers_start_as_a_truncated_normal_with_bias_zero() -> None:
    mlp = head(hidden=[400, 400]).mlp
    assert mlp.linear2.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not any(layer.bias.any() for layer in (mlp.linear1, mlp.linear2, mlp.last))
    assert mlp.linear1.bias is not None and not hasattr(mlp, "norm1")
    assert hasattr(head(norm="batch").mlp, "norm2")


@pytest.mark.parametrize("weight_norm", ["free", "frozen", "none"])
def test_a_copy_is_equal_also_after_use_and_follows_both_parts_of_the_weight(weight_norm: str) -> None:
    fast, x = head(weight_norm=weight_norm), torch.randn(3, 6)
    fast(x).sum().backward()
    slow = copy_of(fast)
    assert torch.equal(slow(x), fast(x)) and not slow(x).requires_grad
    assert torch.equal(starting_as(head(), head())(x), head()(x))
    assert torch.equal(copy.deepcopy(slow)(x), fast(x))
    before = {name: p.clone() for name, p in slow.named_parameters()}
    with torch.no_grad():
        for p in fast.parameters():
            p.add_(1.0)
    ema_update(slow, fast, 0.75)
    for name, p in slow.named_parameters():
        assert torch.allclose(p - before[name], torch.full_like(p, 0.25), atol=1e-6), name


def test_a_zero_in_half_precision_stays_finite() -> None:
    x = torch.zeros(2, 6, dtype=torch.bfloat16)
    assert head().bfloat16()(x).isfinite().all()


def test_the_paper_size_is_built_without_memory() -> None:
    with torch.device("meta"):
        module = Prototypes(384, hidden=[2048, 2048])
        assert module(torch.zeros(2, 384)).shape == (2, 65536)
    linear = 384 * 2048 + 2048 + 2048 * 2048 + 2048 + 2048 * 256 + 256
    assert sum(p.numel() for p in module.parameters()) == linear + 65536 * 256 + 65536


def test_tokens_keep_their_kind_and_logits_end_in_the_count() -> None:
    text = """
graphssl: 1
name: tiny
nodes:
  v: {op: augment, recipe: quick, size: 32}
  f: {op: encoder, in: v, arch: vit_tiny_patch16_224}
  h: {op: prototypes, in: f.cls, count: 9}
  hp: {op: share, of: h, in: f.patch}
  loss: {op: soft_cross_entropy, in: {prediction: h, target: h}}
represent: f
"""
    method = graphssl.load(text)
    outputs = {name: str(node.outputs["output"]) for name, node in method.graph.nodes.items() if name in ("h", "hp")}
    assert outputs == {"h": "logits[b 9] grad", "hp": "tokens[b f.n32 9] grad"}
    finding = next(f for f in method.findings if f.code == "port-type-mismatch")
    assert "expects probabilities (b k)" in finding.message and "softmax" in (finding.help or "")
