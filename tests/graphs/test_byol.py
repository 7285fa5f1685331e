"""BYOL (arXiv:2006.07733) against deepmind-research/byol, and the paper's experiments with its parts."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import graphssl
from tests.conftest import toy_views
from tests.graphs.paper import (
    R50,
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

# structure


def test_byol_projector_and_predictor_have_one_shape_and_no_last_norm() -> None:
    _, module = built("byol")
    hidden = 4096 + 2 * 4096
    assert count(module.f) == R50
    assert count(module.g) == 2048 * 4096 + hidden + 4096 * 256
    assert count(module.q) == 256 * 4096 + hidden + 4096 * 256
    assert layers(module.g) == layers(module.q) == ["linear1", "norm1", "act1", "last"]
    for head in (module.g, module.q):
        assert head.linear1.bias is not None and head.last.bias is None and head.norm1.affine
    assert not hasattr(module, "qt"), "the predictor stands on the online side alone"


def test_batch_norm_of_byol_has_decay_point_nine_and_is_of_all_ranks() -> None:
    _, module = built("byol")
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert {(m.momentum, m.eps) for m in norms} == {(0.1, 1e-5)}
    assert recipe("byol").sync_bn is True
    assert {attrs("byol", node)["batch"] for node in ("f", "g", "q")} == {"per_view"}


def test_residual_blocks_of_byol_start_at_zero() -> None:
    assert attrs("byol", "f")["zero_init_last"] is True
    assert graphssl.compile("byol@quick").f.layer1[0].bn2.weight.abs().sum().item() == 0


# loss and target


def test_byol_sums_its_directions() -> None:
    loss = attrs("byol", "loss")
    assert (loss["reduce"], loss["weight"], loss["normalize"]) == ("sum", 1.0, True)
    assert nodes("byol")["loss"].pairs == ((0, 1), (1, 0))
    assert (taken("byol", "loss", "prediction"), taken("byol", "loss", "target")) == (["q"], ["gt"])


def test_the_loss_equals_the_papers_formula() -> None:
    method, module = tiny("byol")
    out = module(toy_views(method), keep=["q", "gt"])
    total = sum((2 - 2 * F.cosine_similarity(out.values["q"][i], out.values["gt"][1 - i])).mean() for i in range(2))
    assert torch.allclose(out.losses["loss"], total, rtol=1e-5)


@pytest.mark.parametrize("slow", ["ft", "gt"])
def test_the_target_moves_behind_the_step_and_keeps_its_own_statistics(slow: str) -> None:
    node = attrs("byol", slow)
    assert (node["update"], node["buffers"], node["mode"], node["init"]) == ("after_step", "own", "train", "copy")
    assert flags("byol", slow) == {(False, False)}


@pytest.mark.parametrize(
    ("variant", "start"), [("byol", 0.996), ("byol@ep300", 0.99), ("byol@ep100", 0.99), ("byol@ep40", 0.97)]
)
def test_byol_tau_follows_its_cosine(variant: str, start: float) -> None:
    for slow in ("ft", "gt"):
        curve = attrs(variant, slow)["momentum"].bind(1000, 10)
        for k in (0, 1, 500, 999):
            assert curve(k) == pytest.approx(1 - (1 - start) * (math.cos(math.pi * k / 1000) + 1) / 2, abs=1e-15)
        assert curve(0) == pytest.approx(start)
        assert curve(1000) == 1.0


def test_a_classifier_watches_without_gradient() -> None:
    assert nodes("byol")["probe"].op.name == "linear_probe"
    assert taken("byol", "probe", "features") == ["f"]


# the recipe of training


@pytest.mark.parametrize(
    ("variant", "base", "weight_decay", "epochs"),
    [("byol", 0.2, 1.5e-6, 1000), ("byol@ep300", 0.3, 1e-6, 300), ("byol@ep100", 0.45, 1e-6, 100),
     ("byol@ep40", 0.45, 1e-6, 40)],
)  # fmt: skip
def test_byol_presets(variant: str, base: float, weight_decay: float, epochs: int) -> None:
    train = recipe(variant)
    assert (train.optimizer, train.optimizer_args) == ("lars", {"momentum": 0.9})
    assert train.peak_lr() == pytest.approx(base * 16)
    assert decay(variant) == weight_decay
    assert (train.epochs, train.batch_size) == (epochs, 4096)
    curve, steps = lr(variant)
    assert curve(0) == 0 and curve(500) == pytest.approx(base * 8)
    assert curve(1000) == pytest.approx(base * 16)
    assert curve((1000 + steps) // 2) == pytest.approx(base * 8) and curve(steps) == 0


def test_lars_has_trust_one_thousandth_and_spares_bias_and_norm() -> None:
    _, parameters = rules("byol")
    assert spared("byol") == {name for name, p in parameters.items() if p.ndim <= 1}
    assert "g.linear1.bias" in spared("byol")
    assert {group["trust_coeff"] for group in optimizer("byol").param_groups} == {1e-3}


# augmentation


def test_byol_augmentation_is_asymmetric_in_blur_and_solarize() -> None:
    (order1, one), (order2, two) = steps("byol", "v1"), steps("byol", "v2")
    assert order1 == order2 == ["crop", "flip", "jitter", "grayscale", "blur", "solarize", "normalize"]
    for found in (one, two):
        assert jitter(found["jitter"]) == (0.4, 0.4, 0.2, 0.1, 0.8)
        assert found["jitter"]["order"] == "random"
        assert (found["crop"]["scale"], found["crop"]["interpolation"]) == ([0.08, 1.0], "bicubic")
        assert (found["blur"]["kernel"], found["blur"]["sigma"]) == ("10%", [0.1, 2.0])  # 23 at 224 px
        assert found["crop"]["method"] == "byol"
        assert found["jitter"]["brightness_mode"] == "additive"
        assert (found["flip"]["p"], found["grayscale"]["p"]) == (0.5, 0.2)
    assert (one["blur"]["p"], two["blur"]["p"]) == (1.0, 0.1)
    assert (one["solarize"]["p"], two["solarize"]["p"]) == (0.0, 0.2)
    assert two["solarize"]["threshold"] == 0.5


# the paper's experiments


def test_the_fixed_target_is_a_random_network_of_its_own_that_never_moves() -> None:
    train = recipe("byol@ep300@fixed_target")
    assert (train.epochs, train.batch_size, train.peak_lr()) == (300, 4096, pytest.approx(0.3 * 16))
    _, module = tiny("byol", "@fixed_target")
    assert not equal(module.f, module.ft) and not equal(module.g, module.gt)
    before = [p.clone() for p in module.ft.parameters()]
    for moment in ("before_forward", "after_step"):
        module.commit(moment, 0)
    assert all(torch.equal(a, b) for a, b in zip(before, module.ft.parameters(), strict=True))
    assert module.train().ft.training and not any(p.requires_grad for p in module.ft.parameters())
    assert attrs("byol@fixed_target", "loss") == attrs("byol", "loss")


@pytest.mark.parametrize(("variant", "value"), [("tau_0999", 0.999), ("tau_099", 0.99), ("tau_09", 0.9)])
def test_the_targets_momentum_may_be_constant(variant: str, value: float) -> None:
    for slow in ("ft", "gt"):
        momentum = attrs(f"byol@ep300@{variant}", slow)["momentum"]
        assert (momentum.first, momentum.last) == (value, value)


EMA, STOP, NONE = "ema", "stop_grad", "identity"


@pytest.mark.parametrize(
    ("variant", "predictor", "target", "negatives"),
    [
        ("", True, EMA, False),
        ("@negatives", True, EMA, True),
        ("@no_predictor@negatives", False, EMA, True),
        ("@no_predictor@no_target@negatives", False, NONE, True),
        ("@no_target@negatives", True, NONE, True),
        ("@stop_grad@negatives", True, STOP, True),
        ("@no_predictor@stop_grad@negatives", False, STOP, True),
        ("@stop_grad", True, STOP, False),
        ("@no_target", True, NONE, False),
        ("@no_predictor", False, EMA, False),
        ("@no_predictor@stop_grad", False, STOP, False),
        ("@no_predictor@no_target", False, NONE, False),
    ],
)
def test_predictor_target_and_negatives_are_taken_away_one_by_one(
    variant: str, predictor: bool, target: str, negatives: bool
) -> None:
    reference = f"byol@ep300{variant}"
    graph = nodes(reference)
    assert (graph["q"].op.name == "predictor") is predictor
    assert graph["gt"].op.name == target
    assert {grad for grad, _ in flags(reference, "gt")} == {target == NONE}
    assert ("negatives" in graph) is negatives
    if negatives:  # 2β of a direction, both added, where ours is a mean: β = 1
        assert (graph["negatives"].attrs["weight"], graph["negatives"].attrs["temperature"]) == (4.0, 0.1)


def test_without_predictor_and_target_the_negatives_make_it_simclr() -> None:
    """The sum is 4 + 4 τ (NT-Xent): SimCLR's gradient up to a factor."""
    from graphssl.ops.contrastive import nt_xent

    method, module = tiny("byol", "@no_predictor@no_target@negatives")
    out = module(toy_views(method), keep=["g"])
    ours = out.losses["loss"] + 4 * out.losses["negatives"]
    expected = 4 + 4 * 0.1 * nt_xent(out.values["g"], temperature=0.1)
    assert torch.allclose(ours, expected, rtol=1e-5)
