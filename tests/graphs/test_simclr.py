"""SimCLR (arXiv:2002.05709) against google-research/simclr."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import graphssl
from graphssl.runtime.optim import optimizer_class
from tests.graphs.paper import (
    R50,
    attrs,
    built,
    count,
    decay,
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
)  # fmt: skip

# structure


def test_simclr_head_has_no_bias_and_a_last_norm_without_beta() -> None:
    _, module = built("simclr")
    assert count(module.f) == R50
    assert count(module.g) == 2048 * 2048 + 2 * 2048 + 2048 * 128 + 128
    assert layers(module.g) == ["linear1", "norm1", "act1", "last", "last_norm"]
    kinds = [type(m).__mro__[1] if type(m).__name__ == "BatchNorm" else type(m) for m in module.g]
    assert kinds == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear, nn.BatchNorm1d]
    assert module.g.last_norm.bias is None and module.g.last_norm.weight is not None
    assert module.g.linear1.bias is None and module.g.last.bias is None


def test_simclr_dense_layers_start_with_deviation_one_hundredth() -> None:
    module = graphssl.compile("simclr@quick")
    assert module.g.linear1.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert module.g.last.weight.std().item() == pytest.approx(0.01, rel=0.05)


def test_residual_blocks_of_simclr_start_at_zero() -> None:
    assert attrs("simclr", "f")["zero_init_last"] is True
    assert graphssl.compile("simclr@quick").f.layer1[0].bn2.weight.abs().sum().item() == 0


def test_batch_norm_of_simclr_sees_both_views_of_all_ranks() -> None:
    _, module = built("simclr")
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert {(m.momentum, m.eps) for m in norms} == {(0.1, 1e-5)}
    assert attrs("simclr", "f")["batch"] == attrs("simclr", "g")["batch"] == "joint"
    assert recipe("simclr").sync_bn is True


# the loss


def test_simclr_adds_both_directions_and_contrasts_with_all_ranks_through_gradient() -> None:
    loss = attrs("simclr", "loss")
    assert (loss["temperature"], loss["weight"], loss["normalize"]) == (0.1, 2.0, True)
    assert taken("simclr", "loss", "z") == ["z"]
    assert flags("simclr", "z") == {(True, True)} and attrs("simclr", "z")["grad"] is True


def test_a_classifier_watches_features_in_front_of_the_head() -> None:
    assert nodes("simclr")["probe"].op.name == "linear_probe"
    assert taken("simclr", "probe", "features") == ["f"]


# the recipe of training


def test_simclr_learning_rate_is_4_8_at_batch_4096_after_ten_epochs_of_warm_up() -> None:
    curve, steps = lr("simclr")
    assert curve(0) == 0.0
    assert curve(500) == pytest.approx(2.4)
    assert curve(1000) == pytest.approx(4.8)
    assert curve((steps + 1000) // 2) == pytest.approx(2.4)
    assert curve(steps - 1) == pytest.approx(0.0, abs=1e-5)


def test_the_square_root_rule_gives_the_same_rate_at_batch_4096() -> None:
    other = graphssl.load("simclr", {"train.lr": {"$replace": True, "base": 0.075, "per": 1, "scale": "sqrt"}})
    train = other.checked_graph().train
    assert train is not None and train.peak_lr() == pytest.approx(recipe("simclr").peak_lr()) == pytest.approx(4.8)


def test_simclr_is_trained_by_lars_which_spares_bias_and_norm() -> None:
    train = recipe("simclr")
    assert (train.optimizer, train.optimizer_args) == ("lars", {"momentum": 0.9})
    assert (train.epochs, train.batch_size, decay("simclr"), decay("simclr@as_code")) == (1000, 4096, 1e-6, 1e-4)
    _, parameters = rules("simclr")
    assert spared("simclr") == {name for name, p in parameters.items() if p.ndim <= 1}
    assert {group["trust_coeff"] for group in optimizer("simclr").param_groups} == {1e-3}


def test_lars_keeps_the_learning_rate_out_of_the_momentum() -> None:
    """The authors' v ← m·v + lr·g, p ← p - v would end at -0.69 after these two steps."""
    weight = nn.Parameter(torch.zeros(1))
    lars = optimizer_class("lars")([weight], lr=0.1, momentum=0.9, weight_decay=0.0)
    for rate in (0.1, 0.5):
        lars.param_groups[0]["lr"] = rate
        weight.grad = torch.ones(1)
        lars.step()
    assert weight.item() == pytest.approx(-(0.1 + 0.5 * (1 + 0.9)))


# augmentation


@pytest.mark.parametrize("node", ["v1", "v2"])
def test_simclr_augmentation(node: str) -> None:
    order, found = steps("simclr", node)
    assert [s for s in order if s != "normalize"] == ["crop", "flip", "jitter", "grayscale", "blur"]
    assert (found["crop"]["scale"], found["crop"]["method"]) == ([0.08, 1.0], "torchvision")
    assert found["crop"]["ratio"] == pytest.approx([3 / 4, 4 / 3])
    assert found["crop"]["interpolation"] == "bicubic"
    assert jitter(found["jitter"]) == (0.8, 0.8, 0.8, 0.2, 0.8)
    assert found["jitter"]["order"] == "random"
    assert (found["grayscale"]["p"], found["blur"]["p"]) == (0.2, 0.5)
    assert (found["blur"]["kernel"], found["blur"]["sigma"]) == ("10%", [0.1, 2.0])
    assert found.get("normalize", "none") == "none"


@pytest.mark.parametrize("node", ["v1", "v2"])
def test_as_code_crops_as_tensorflow_does_and_adds_brightness(node: str) -> None:
    (order, found), (same, _) = steps("simclr@as_code", node), steps("simclr", node)
    assert order == same
    assert found["crop"]["method"] == "simclr"
    assert found["jitter"]["brightness_mode"] == "additive"
    assert steps("simclr", node)[1]["jitter"]["brightness_mode"] == "multiplicative"


# CIFAR-10


@pytest.mark.parametrize("node", ["v1", "v2"])
def test_simclr_on_cifar_has_half_jitter_no_blur_and_temperature_one_half(node: str) -> None:
    order, found = steps("simclr@cifar10", node)
    assert "blur" not in order
    assert jitter(found["jitter"]) == (0.4, 0.4, 0.4, 0.1, 0.8)
    assert attrs("simclr@cifar10", "loss")["temperature"] == 0.5


def test_simclr_on_cifar_has_a_small_stem_and_the_readmes_batch_decay_and_length() -> None:
    _, module = built("simclr@cifar10")
    assert attrs("simclr@cifar10", "f")["arch"] == "resnet18"
    assert (module.f.conv1.kernel_size, module.f.conv1.stride) == ((3, 3), (1, 1))
    assert isinstance(module.f.maxpool, nn.Identity)
    train = recipe("simclr@cifar10")
    assert (train.batch_size, train.epochs, decay("simclr@cifar10")) == (512, 1000, 1e-4)
    assert train.peak_lr() == pytest.approx(0.5 * 512 / 256)  # the lowest of the paper's 0.5, 1 and 1.5
