"""MoCo v1 (arXiv:1911.05722) and v2 (arXiv:2003.04297) against facebookresearch/moco."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

import graphssl
from graphssl.runtime.options import Options
from graphssl.runtime.start import accelerator_for
from tests.graphs.paper import (
    R50,
    attrs,
    built,
    count,
    decay,
    equal,
    flags,
    jitter,
    lr,
    nodes,
    optimizer,
    recipe,
    rules,
    steps,
    taken,
    tiny,
)  # fmt: skip

# structure


def test_moco_v1_has_a_linear_head_with_bias() -> None:
    _, module = built("moco_v1")
    assert count(module.f) == R50
    assert count(module.g) == 2048 * 128 + 128
    assert [type(m) for m in module.g] == [nn.Linear]


def test_moco_v2_has_linear_relu_linear_without_norm() -> None:
    _, module = built("moco_v2")
    assert count(module.g) == 2048 * 2048 + 2048 + 2048 * 128 + 128
    assert [type(m) for m in module.g] == [nn.Linear, nn.ReLU, nn.Linear]


def test_residual_blocks_of_moco_start_as_torchvisions_do() -> None:
    assert attrs("moco_v1", "f")["zero_init_last"] is False
    assert graphssl.compile("moco_v1@quick").f.layer1[0].bn2.weight.abs().sum().item() != 0


def test_batch_norm_of_moco_has_decay_point_nine_and_sees_the_32_images_of_one_of_8_gpus() -> None:
    _, module = built("moco_v1")
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert {(m.momentum, m.eps) for m in norms} == {(0.1, 1e-5)}
    assert attrs("moco_v1", "f")["bn_group"] == attrs("moco_v2", "f")["bn_group"] == 256 // 8
    assert attrs("moco_v1@cifar10", "f")["bn_group"] == 512 // 8, "SplitBN(8) of the notebook"


@pytest.mark.parametrize("name", ["moco_v1", "moco_v2", "moco_v1@cifar10"])
def test_keys_are_shuffled_before_batch_norm_and_queries_are_not(name: str) -> None:
    assert attrs(name, "fk")["shuffle_bn"] is True
    assert "shuffle_bn" not in attrs(name, "f")


# wiring and state


def test_moco_is_asymmetric_and_its_queue_has_65536_keys_of_128() -> None:
    _, module = built("moco_v1")
    assert taken("moco_v1", "f", "image") == ["vq"]
    assert taken("moco_v1", "fk", "image") == ["vk"]
    assert tuple(module.queue.rows.shape) == (65_536, 128)
    assert attrs("moco_v1", "loss")["temperature"] == 0.07
    assert attrs("moco_v2", "loss")["temperature"] == 0.2


def test_query_and_key_have_length_one_and_the_key_is_stored_behind_the_logits() -> None:
    graph = nodes("moco_v1")
    assert graph["zq"].op.name == graph["zk"].op.name == "l2_normalize"
    wired = {port: taken("moco_v1", "loss", port) for port in ("query", "positive", "negatives")}
    assert wired == {"query": ["zq"], "positive": ["zk"], "negatives": ["queue"]}
    assert taken("moco_v1", "queue", "features") == ["zk"]
    assert graph["queue"].attrs["update"] == "after_step"
    assert flags("moco_v1", "zk") == {(False, False)}


@pytest.mark.parametrize("name", ["moco_v1", "moco_v2"])
def test_the_key_encoder_starts_as_a_copy_that_gradient_does_not_reach(name: str) -> None:
    _, module = tiny(name)
    assert equal(module.f, module.fk) and equal(module.g, module.gk)
    assert not any(p.requires_grad for m in (module.fk, module.gk) for p in m.parameters())


@pytest.mark.parametrize(("name", "slow"), [("moco_v1", "fk"), ("moco_v1", "gk"), ("moco_v2", "fk"), ("moco_v2", "gk")])
def test_the_key_encoder_moves_before_the_forward_by_a_constant_and_keeps_its_own_statistics(
    name: str, slow: str
) -> None:
    node = attrs(name, slow)
    assert (node["momentum"], node["update"]) == (0.999, "before_forward")
    assert (node["buffers"], node["mode"]) == ("own", "train")


def test_statistics_of_the_key_encoder_come_from_keys_and_are_not_averaged() -> None:
    _, module = tiny("moco_v1")
    x = torch.randn(8, 3, 32, 32)
    module({"vq": torch.zeros_like(x), "vk": x})
    seen = module.fk.bn1.running_mean.clone()
    assert seen.any() and not module.f.bn1.running_mean.any()
    module.commit("before_forward", 0)
    assert torch.equal(module.fk.bn1.running_mean, seen)


def test_no_rank_overwrites_the_statistics_and_the_queue_of_the_others() -> None:
    accelerator = accelerator_for(recipe("moco_v1"), Options(data="shapes", out="unused", device="cpu"))
    assert accelerator.ddp_handler is not None and accelerator.ddp_handler.broadcast_buffers is False


def test_evaluation_takes_the_query_encoder() -> None:
    for name in ("moco_v1", "moco_v2"):
        represent = graphssl.load(name).checked_graph().represent
        assert represent is not None and represent.node == "f"


# the recipe of training


def test_moco_v1_learning_rate_falls_tenfold_at_epochs_120_and_160() -> None:
    curve, steps = lr("moco_v1")
    values = [curve(e * 100) for e in (0, 119, 120, 159, 160)]
    assert values == pytest.approx([0.03, 0.03, 0.003, 0.003, 0.0003])
    assert curve(119 * 100 + 99) == pytest.approx(0.03)
    assert curve(steps - 1) == pytest.approx(0.0003)


def test_moco_v2_learning_rate_is_a_cosine_per_epoch_that_ends_at_1_85e_6() -> None:
    curve, steps = lr("moco_v2")
    assert curve(0) == curve(99) == 0.03
    assert curve(100 * 100) == pytest.approx(0.015)
    assert curve(steps - 1) == pytest.approx(1.85e-6, rel=2e-3)


@pytest.mark.parametrize("name", ["moco_v1", "moco_v2"])
def test_moco_is_trained_by_sgd_for_200_epochs_of_256_images_a_step(name: str) -> None:
    train = recipe(name)
    assert (train.optimizer, train.optimizer_args) == ("sgd", {"momentum": 0.9})
    assert (train.epochs, train.batch_size, train.peak_lr(), decay(name)) == (200, 256, 0.03, 1e-4)
    assert (train.clip_norm, train.precision) == (None, "fp32")
    (group,) = optimizer(name).param_groups
    assert (group["lr"], group["momentum"], group["nesterov"], group["dampening"]) == (0.03, 0.9, False, 0)


def test_moco_decays_everything_bias_and_norm_too() -> None:
    found, parameters = rules("moco_v1")
    assert set(found.values()) == {None}
    assert {"f.bn1.weight", "f.bn1.bias", "g.last.bias"} <= set(parameters)


def test_moco_v2_differs_from_v1_in_head_temperature_augmentation_and_schedule_alone() -> None:
    def written(name: str) -> dict[str, Any]:
        graph = graphssl.load(name).checked_graph()
        found: dict[str, Any] = {f"{node.name}.{key}": value for node in graph for key, value in node.attrs.items()}
        return found | {key: getattr(graph.train, key) for key in vars(recipe("moco_v1")) if not key.startswith("span")}

    one, two = written("moco_v1"), written("moco_v2")
    changed = {key for key in one | two if one.get(key) != two.get(key)}
    assert changed == {"g.dims", "g.norm", "loss.temperature", "vq.steps", "vk.steps", "lr"}


# augmentation


@pytest.mark.parametrize("node", ["vq", "vk"])
def test_moco_v1_augmentation(node: str) -> None:
    order, found = steps("moco_v1", node)
    assert order == ["crop", "grayscale", "jitter", "flip", "normalize"]
    assert (found["crop"]["scale"], found["crop"]["method"]) == ([0.2, 1.0], "torchvision")
    assert jitter(found["jitter"]) == (0.4, 0.4, 0.4, 0.4, 1.0)
    assert (found["grayscale"]["p"], found["flip"]["p"]) == (0.2, 0.5)
    assert attrs("moco_v1", node)["size"] == 224
    assert found["normalize"] == "imagenet"


@pytest.mark.parametrize("node", ["vq", "vk"])
def test_moco_v2_augmentation(node: str) -> None:
    order, found = steps("moco_v2", node)
    assert order == ["crop", "jitter", "grayscale", "blur", "flip", "normalize"]
    assert jitter(found["jitter"]) == (0.4, 0.4, 0.4, 0.1, 0.8)
    assert (found["blur"]["p"], found["blur"]["sigma"]) == (0.5, [0.1, 2.0])
    assert (found["grayscale"]["p"], found["flip"]["p"]) == (0.2, 0.5)
    assert found["crop"]["scale"] == [0.2, 1.0]


# CIFAR-10, the authors' notebook


def test_moco_cifar_follows_the_notebook_but_counts_epochs_from_zero() -> None:
    train = recipe("moco_v1@cifar10")
    curve = train.lr_curve(200 * 97, 97)
    assert (train.batch_size, train.peak_lr(), curve(0)) == (512, 0.06, 0.06)
    assert curve(97) == pytest.approx(0.0599963, abs=1e-7)  # the notebook's first value
    assert curve(199 * 97) == pytest.approx(
        0.03 * (1 + math.cos(math.pi * 199 / 200))
    )  # the notebook's is one further: 0
    assert train.weight_decay.bind(1, 1)(0) == 5e-4
    assert (train.optimizer, train.optimizer_args, train.epochs) == ("sgd", {"momentum": 0.9}, 200)


def test_moco_cifar_has_the_notebooks_network_queue_and_momentum() -> None:
    _, module = built("moco_v1@cifar10")
    assert attrs("moco_v1@cifar10", "f")["arch"] == "resnet18"
    assert (module.f.conv1.kernel_size, module.f.conv1.stride) == ((3, 3), (1, 1))
    assert isinstance(module.f.maxpool, nn.Identity)
    assert [type(m) for m in module.g] == [nn.Linear] and count(module.g) == 512 * 128 + 128
    assert tuple(module.queue.rows.shape) == (4096, 128)
    assert attrs("moco_v1@cifar10", "fk")["momentum"] == attrs("moco_v1@cifar10", "gk")["momentum"] == 0.99
    assert attrs("moco_v1@cifar10", "loss")["temperature"] == 0.1


@pytest.mark.parametrize("node", ["vq", "vk"])
def test_moco_cifar_augmentation_has_no_blur(node: str) -> None:
    order, found = steps("moco_v1@cifar10", node)
    assert order == ["crop", "flip", "jitter", "grayscale", "normalize"]
    assert found["crop"]["scale"] == [0.08, 1.0]
    assert jitter(found["jitter"]) == (0.4, 0.4, 0.4, 0.1, 0.8)
    assert (found["grayscale"]["p"], attrs("moco_v1@cifar10", node)["size"]) == (0.2, 32)
