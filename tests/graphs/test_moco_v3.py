"""MoCo v3 (arXiv:2104.02057) against facebookresearch/moco-v3."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.conftest import toy_views
from tests.graphs.paper import (
    R50,
    VIT_S,
    attrs,
    built,
    count,
    decay,
    equal,
    flags,
    jitter,
    layers,
    lr,
    nodes,
    optimizer,
    recipe,
    rules,
    spared,
    steps,
    taken,
    tiny,
)  # fmt: skip

HIDDEN = 2 * 4096  # γ and β of a hidden layer's BatchNorm


def test_of_a_resnet_the_projector_has_two_layers_and_a_last_norm_and_the_predictor_none() -> None:
    _, module = built("moco_v3")
    assert count(module.f) == R50
    assert layers(module.g) == ["linear1", "norm1", "act1", "last", "last_norm"]
    assert count(module.g) == 2048 * 4096 + HIDDEN + 4096 * 256
    assert layers(module.q) == ["linear1", "norm1", "act1", "last"]
    assert count(module.q) == 256 * 4096 + HIDDEN + 4096 * 256


@pytest.mark.parametrize(("variant", "width"), [("vit_small", 384), ("vit_base", 768)])
def test_of_a_transformer_the_projector_has_three_layers_and_both_heads_a_last_norm(variant: str, width: int) -> None:
    _, module = built(f"moco_v3@{variant}")
    assert layers(module.g) == ["linear1", "norm1", "act1", "linear2", "norm2", "act2", "last", "last_norm"]
    assert count(module.g) == width * 4096 + HIDDEN + 4096 * 4096 + HIDDEN + 4096 * 256
    assert layers(module.q) == ["linear1", "norm1", "act1", "last", "last_norm"]
    assert count(module.q) == 256 * 4096 + HIDDEN + 4096 * 256


@pytest.mark.parametrize("reference", ["moco_v3", "moco_v3@vit_small"])
def test_no_layer_of_a_head_has_a_bias_and_the_last_norm_no_weights(reference: str) -> None:
    _, module = built(reference)
    for head in (module.g, module.q):
        assert all(m.bias is None for m in head if isinstance(m, nn.Linear))
        assert all(m.affine for name, m in head.named_children() if name in ("norm1", "norm2"))
        assert not hasattr(head, "last_norm") or not head.last_norm.affine
    assert module.g.last_norm.weight is None


def test_the_predictor_stands_on_the_query_side_alone_and_there_is_no_queue() -> None:
    _, module = built("moco_v3")
    assert equal_structure(module.g, module.gk) and not hasattr(module, "qk")
    assert taken("moco_v3", "loss", "query") == ["q"]
    assert taken("moco_v3", "k", "x") == ["gk"]
    assert not [n for n in nodes("moco_v3").values() if n.op.name == "queue"]
    assert set(nodes("moco_v3")["loss"].inputs) == {"query", "positive"}


def equal_structure(a: nn.Module, b: nn.Module) -> bool:
    return [(n, p.shape) for n, p in a.named_parameters()] == [(n, p.shape) for n, p in b.named_parameters()]


@pytest.mark.parametrize(
    ("reference", "tau"), [("moco_v3", 1.0), ("moco_v3@vit_small", 0.2), ("moco_v3@vit_base", 0.2)]
)
def test_the_loss_is_two_tau_times_the_sum_of_both_directions(reference: str, tau: float) -> None:
    loss = attrs(reference, "loss")
    assert (loss["temperature"], loss["weight"], loss["reduce"]) == (tau, 2 * tau, "sum")
    assert nodes(reference)["loss"].pairs == ((0, 1), (1, 0))


def test_the_loss_equals_the_authors_formula() -> None:
    method, module = tiny("moco_v3")
    out = module(toy_views(method), keep=["q", "gk"])
    total = torch.zeros(())
    for i, j in ((0, 1), (1, 0)):
        q, k = (F.normalize(x, dim=1) for x in (out.values["q"][i], out.values["gk"][j]))
        total = total + F.cross_entropy(q @ k.T / 0.2, torch.arange(len(q))) * 2 * 0.2
    assert torch.allclose(out.loss, total, rtol=1e-5)


def test_keys_of_all_ranks_are_candidates_without_gradient() -> None:
    assert flags("moco_v3", "k") == {(False, True)}
    assert attrs("moco_v3", "k")["grad"] is False


def test_both_views_go_through_the_slow_copy_which_starts_equal() -> None:
    assert taken("moco_v3", "f", "image") == taken("moco_v3", "fk", "image") == ["v1", "v2"]
    _, module = tiny("moco_v3")
    assert equal(module.f, module.fk) and equal(module.g, module.gk)


@pytest.mark.parametrize(("reference", "start"), [("moco_v3", 0.99), ("moco_v3@ep300", 0.99), ("moco_v3@ep1000", 0.996),
                                                  ("moco_v3@vit_small", 0.99)])  # fmt: skip
def test_the_slow_copy_moves_before_the_forward_by_a_cosine_to_one(reference: str, start: float) -> None:
    for slow in ("fk", "gk"):
        node = attrs(reference, slow)
        assert (node["update"], node["buffers"], node["mode"]) == ("before_forward", "own", "train")
        curve = node["momentum"].bind(1000, 10)
        for k in (0, 1, 500, 999):
            assert curve(k) == pytest.approx(1 - 0.5 * (1 + math.cos(math.pi * k / 1000)) * (1 - start), abs=1e-15)
        assert curve(1000) == 1.0


def test_batch_norm_is_of_all_ranks_and_the_encoder_runs_in_half_precision() -> None:
    for reference in ("moco_v3", "moco_v3@vit_small"):
        assert (recipe(reference).sync_bn, recipe(reference).precision) == (True, "fp16")


@pytest.mark.parametrize("reference", ["moco_v3@vit_small", "moco_v3@vit_base"])
def test_a_transformer_has_12_heads_fixed_positions_and_a_frozen_patch_projection(reference: str) -> None:
    _, module = built(reference)
    encoder = attrs(reference, "f")
    assert (encoder["positions"], encoder["weight_init"], encoder["freeze"]) == ("sincos", "xavier", ["patch_embed"])
    assert {block.attn.num_heads for block in module.f.blocks} == {12}
    fixed = {name for name, p in module.f.named_parameters() if not p.requires_grad}
    assert fixed == {"pos_embed", "patch_embed.proj.weight", "patch_embed.proj.bias"}
    assert reference != "moco_v3@vit_small" or count(module.f) == VIT_S


def test_residual_blocks_of_a_resnet_start_at_zero() -> None:
    assert attrs("moco_v3", "f")["zero_init_last"] is True


@pytest.mark.parametrize(
    ("variant", "base", "weight_decay", "epochs"),
    [("moco_v3", 0.6, 1e-6, 100), ("moco_v3@ep300", 0.3, 1e-6, 300), ("moco_v3@ep1000", 0.3, 1.5e-6, 1000)],
)
def test_resnets_are_trained_by_lars(variant: str, base: float, weight_decay: float, epochs: int) -> None:
    train = recipe(variant)
    assert (train.optimizer, train.optimizer_args) == ("lars", {"momentum": 0.9})
    assert (train.epochs, train.batch_size, decay(variant)) == (epochs, 4096, weight_decay)
    curve, steps = lr(variant)
    assert curve(0) == 0 and curve(500) == pytest.approx(base * 8)
    assert curve(1000) == pytest.approx(base * 16)
    assert curve((1000 + steps) // 2) == pytest.approx(base * 8)
    assert curve(steps - 1) == pytest.approx(0, abs=1e-3) and curve(steps) == 0


def test_lars_has_trust_one_thousandth_and_spares_what_has_one_axis() -> None:
    _, parameters = rules("moco_v3")
    assert spared("moco_v3") == {name for name, p in parameters.items() if p.ndim <= 1}
    assert {group["trust_coeff"] for group in optimizer("moco_v3").param_groups} == {1e-3}


@pytest.mark.parametrize("reference", ["moco_v3@vit_small", "moco_v3@vit_base"])
def test_transformers_are_trained_by_adamw_with_decay_of_all_that_is_trained(reference: str) -> None:
    train = recipe(reference)
    assert (train.optimizer, train.epochs, train.batch_size, decay(reference)) == ("adamw", 300, 4096, 0.1)
    curve, steps = lr(reference)
    assert curve(0) == 0 and curve(2000) == pytest.approx(1.2e-3) and curve(4000) == pytest.approx(2.4e-3)
    assert curve(steps) == 0
    found, _ = rules(reference)
    assert set(found.values()) == {None}
    assert "f.cls_token" in found and "f.norm.bias" in found and "f.pos_embed" not in found
    (group,) = optimizer(reference).param_groups
    assert (group["betas"], group["weight_decay"]) == ((0.9, 0.999), 0.1)


@pytest.mark.parametrize(
    ("reference", "smallest"), [("moco_v3", 0.2), ("moco_v3@vit_small", 0.08), ("moco_v3@vit_base", 0.08)]
)
def test_moco_v3_augmentation_is_asymmetric(reference: str, smallest: float) -> None:
    (order1, one), (order2, two) = steps(reference, "v1"), steps(reference, "v2")
    assert order1 == ["crop", "jitter", "grayscale", "blur", "flip", "normalize"]
    assert order2 == ["crop", "jitter", "grayscale", "blur", "solarize", "flip", "normalize"]
    for found in (one, two):
        assert found["crop"]["scale"] == [smallest, 1.0]
        assert jitter(found["jitter"]) == (0.4, 0.4, 0.2, 0.1, 0.8)
        assert (found["grayscale"]["p"], found["blur"]["sigma"], found["flip"]["p"]) == (0.2, [0.1, 2.0], 0.5)
    assert (one["blur"]["p"], two["blur"]["p"], two["solarize"]["p"]) == (1.0, 0.1, 0.2)
