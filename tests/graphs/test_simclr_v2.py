"""SimCLR v2 (arXiv:2006.10029) against google-research/simclr: pre-training, fine-tuning, distillation."""

from __future__ import annotations

import pytest
from torch import nn

import graphssl
from tests.graphs.paper import R50, attrs, built, count, decay, flags, layers, lr, nodes, recipe, taken


def test_selective_kernels_have_the_papers_35_million_parameters() -> None:
    _, plain = built("simclr_v2")
    _, module = built("simclr_v2@sk")
    assert count(plain.f) == R50
    assert (round(count(plain.f) / 1e6), round(count(module.f) / 1e6)) == (24, 35)  # paper, table 1
    block = module.f.layer4[0].conv2
    assert [p.conv.kernel_size for p in block.paths] == [(3, 3)] * 2
    assert [p.conv.in_channels for p in block.paths] == [512] * 2, "each path sees the whole input"
    reduced = [m.attn.fc_reduce.out_channels for m in module.f.modules() if hasattr(m, "attn")]
    assert reduced == [32] * 16, "max(width / 16, 32)"
    assert [m.out_channels for m in module.f.conv1 if isinstance(m, nn.Conv2d)] == [32, 32, 64], "the stem of ResNet-D"


def test_the_head_has_three_layers_and_fine_tuning_keeps_the_first() -> None:
    _, module = built("simclr_v2")
    names = ["linear1", "norm1", "act1", "linear2", "norm2", "act2", "last", "last_norm"]
    assert layers(module.g) == names
    assert count(module.g) == 2 * (2048 * 2048 + 2 * 2048) + 2048 * 128 + 128
    assert module.g.last_norm.bias is None
    method, tuned = built("simclr_v2_finetune")
    assert layers(tuned.g) == names[:3]
    assert count(tuned.logits) == 2048 * 1000 + 1000
    assert str(method.checked_graph().represent) == "g.hidden.0"


def test_learning_rate_and_share_of_labels() -> None:
    curve, steps = lr("simclr_v2")
    assert curve(0) == 0 and curve(steps // 20) == pytest.approx(6.4)
    assert curve(steps) == 0
    train = recipe("simclr_v2")
    assert (train.epochs, train.batch_size, decay("simclr_v2")) == (800, 4096, 1e-4)
    tuned = recipe("simclr_v2_finetune")
    assert (tuned.peak_lr(), tuned.images, tuned.epochs, tuned.batch_size) == (pytest.approx(0.16), 0.1, 30, 1024)
    assert tuned.lr_curve(100, 10)(0) == pytest.approx(0.16), "no warm-up"


def test_the_memory_is_a_queue_of_65536_keys_of_a_slow_copy() -> None:
    _, module = built("simclr_v2@memory")
    assert tuple(module.queue.rows.shape) == (65_536, 128)
    assert attrs("simclr_v2@memory", "fk")["momentum"] == attrs("simclr_v2@memory", "gk")["momentum"] == 0.999
    assert flags("simclr_v2@memory", "zk") == {(False, False)}


def test_brightness_is_a_factor_and_the_rest_is_simclrs() -> None:
    for node in ("v1", "v2"):
        assert attrs("simclr_v2", node) == attrs("simclr", node)
        assert dict(attrs("simclr_v2", node)["steps"])["jitter"]["brightness_mode"] == "multiplicative"
    assert attrs("simclr_v2", "loss") == attrs("simclr", "loss")
    changed = {key for key, value in attrs("simclr_v2", "g").items() if attrs("simclr", "g")[key] != value}
    assert changed == {"dims"}
    ours, theirs = recipe("simclr_v2"), recipe("simclr")
    assert (ours.optimizer, ours.optimizer_args) == (theirs.optimizer, theirs.optimizer_args)


def test_fine_tuning_starts_from_the_pretrained_encoder_and_head_and_sees_labels() -> None:
    for node in ("f", "g"):
        assert attrs("simclr_v2_finetune", node)["from"] == "simclr_v2"
    assert taken("simclr_v2_finetune", "logits", "features") == ["g.hidden.0"]
    assert nodes("simclr_v2_finetune")["loss"].op.name == "cross_entropy"


def test_one_per_cent_of_the_labels_is_another_share() -> None:
    tuned = graphssl.load("simclr_v2_finetune", {"train.images": "1%", "train.epochs": 60}).checked_graph().train
    assert tuned is not None and (tuned.images, tuned.epochs) == (0.01, 60)


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_distillation_is_a_soft_cross_entropy_at_one_temperature_without_labels(temperature: float) -> None:
    method = graphssl.load("simclr_v2_distill", {"params.temperature": temperature})
    graph = method.checked_graph().nodes
    assert (graph["target"].op.name, graph["loss"].op.name) == ("softmax", "soft_cross_entropy")
    assert graph["target"].attrs["temperature"] == graph["loss"].attrs["temperature"] == temperature
    assert {name for name, node in graph.items() if node.kind == "loss"} == {"loss"}
    assert str(graph["loss"].inputs["target"][0]) == "target"


def test_the_teacher_is_the_fine_tuned_network_and_is_not_trained() -> None:
    for node in ("f", "g", "logits"):
        teacher = attrs("simclr_v2_distill", f"teacher/{node}")
        assert (teacher["from"], teacher["frozen"]) == (f"simclr_v2_finetune:{node}", True)
    assert taken("simclr_v2_distill", "target", "x") == ["teacher/logits"]
    assert taken("simclr_v2_distill", "teacher/f", "image") == taken("simclr_v2_distill", "f", "image") == ["v"]
    assert flags("simclr_v2_distill", "target") == {(False, False)}
    assert flags("simclr_v2_distill", "logits") == {(True, False)}
    train = recipe("simclr_v2_distill")
    assert (train.epochs, train.batch_size, train.peak_lr()) == (400, 4096, pytest.approx(6.4))
    assert (decay("simclr_v2_distill"), train.images) == (1e-4, 1.0)
