"""Details of the papers' recipes that decide results, pinned: counts, placements, values, moments.

Counting of augmentation probabilities is in tests/data; losses on hand-computed numbers are in tests/ops.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

import graphssl
from graphssl.compiler.emit import emit
from graphssl.runtime.optim import members

R50 = 23_508_032  # torchvision's ResNet-50 without its classifier


def built(reference: str, **overrides: Any) -> tuple[Any, nn.Module]:
    """The method and its module at paper size, without memory."""
    method = graphssl.load(reference, {key.replace("__", "."): value for key, value in overrides.items()})
    graph = method.checked_graph()
    program = emit(graph)
    namespace: dict[str, Any] = {**program.names, "__name__": "test"}
    exec(program.source, namespace)
    with torch.device("meta"):
        return method, namespace[program.class_name](steps=1000, steps_per_epoch=10)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def attrs(method: Any, node: str) -> dict[str, Any]:
    return method.checked_graph().nodes[node].attrs


# parameter counts and the placement of normalisation


def test_moco_v1_has_a_linear_head_with_bias() -> None:
    _, module = built("moco_v1")
    assert count(module.f) == R50
    assert count(module.g) == 2048 * 128 + 128
    assert [type(m) for m in module.g] == [nn.Linear]


def test_moco_v2_has_linear_relu_linear_without_norm() -> None:
    _, module = built("moco_v2")
    assert count(module.g) == 2048 * 2048 + 2048 + 2048 * 128 + 128
    assert [type(m) for m in module.g] == [nn.Linear, nn.ReLU, nn.Linear]


def test_simclr_head_has_no_bias_and_a_last_norm_without_beta() -> None:
    _, module = built("simclr")
    assert count(module.g) == 2048 * 2048 + 2 * 2048 + 2048 * 128 + 128
    kinds = [type(m).__mro__[1] if type(m).__name__ == "BatchNorm" else type(m) for m in module.g]
    assert kinds == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear, nn.BatchNorm1d]
    assert module.g.last_norm.bias is None and module.g.last_norm.weight is not None
    assert module.g.linear1.bias is None and module.g.last.bias is None


def test_simclr_dense_layers_start_with_deviation_one_hundredth() -> None:
    module = graphssl.compile("simclr@quick")
    assert module.g.linear1.weight.std().item() == pytest.approx(0.01, rel=0.05)


def test_byol_projector_and_predictor_have_one_shape_and_no_last_norm() -> None:
    _, module = built("byol")
    hidden = 4096 + 2 * 4096
    assert count(module.g) == 2048 * 4096 + hidden + 4096 * 256
    assert count(module.q) == 256 * 4096 + hidden + 4096 * 256
    assert isinstance(module.g[-1], nn.Linear) and module.g[-1].bias is None
    assert not hasattr(module, "qt"), "the predictor stands on the online side alone"


def test_simsiam_head_and_predictor() -> None:
    _, module = built("simsiam")
    assert count(module.g) == 3 * 2048 * 2048 + 2 * 2 * 2048  # last norm without gamma and beta
    assert count(module.q) == 2048 * 512 + 2 * 512 + 512 * 2048 + 2048


@pytest.mark.parametrize("name", ["simclr", "byol", "moco_v1"])
def test_batch_norm_has_decay_point_nine_and_epsilon_1e_5(name: str) -> None:
    _, module = built(name)
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert {(m.momentum, m.eps) for m in norms} == {(0.1, 1e-5)}


def test_residual_blocks_start_at_zero_in_simclr_and_byol_but_not_in_moco() -> None:
    for name, zero in (("simclr", True), ("byol", True), ("moco_v1", False)):
        assert attrs(graphssl.load(name), "f")["zero_init_last"] is zero
        f = graphssl.compile(f"{name}@quick").f
        assert (f.layer1[0].bn2.weight.abs().sum().item() == 0) is zero


# wiring and state


def test_moco_is_asymmetric_and_its_queue_has_65536_keys_of_128() -> None:
    method, module = built("moco_v1")
    graph = method.checked_graph()
    assert [str(r) for r in graph.nodes["f"].inputs["image"]] == ["vq"]
    assert [str(r) for r in graph.nodes["fk"].inputs["image"]] == ["vk"]
    assert tuple(module.queue.rows.shape) == (65_536, 128)
    assert attrs(method, "loss")["temperature"] == 0.07
    assert attrs(graphssl.load("moco_v2"), "loss")["temperature"] == 0.2


@pytest.mark.parametrize(
    ("name", "slow", "moment", "buffers"),
    [("moco_v1", "fk", "before_forward", "own"), ("moco_v2", "gk", "before_forward", "own"),
     ("byol", "ft", "after_step", "own")],
)  # fmt: skip
def test_the_slow_copy_moves_at_the_authors_moment_and_keeps_its_own_statistics(
    name: str, slow: str, moment: str, buffers: str
) -> None:
    node = attrs(graphssl.load(name), slow)
    assert (node["update"], node["buffers"], node["mode"]) == (moment, buffers, "train")


def test_moco_momentum_is_constant_point_999() -> None:
    assert attrs(graphssl.load("moco_v1"), "fk")["momentum"] == 0.999


@pytest.mark.parametrize(("variant", "start"), [("byol", 0.996), ("byol@ep300", 0.99), ("byol@ep40", 0.97)])
def test_byol_tau_follows_its_cosine(variant: str, start: float) -> None:
    curve = attrs(graphssl.load(variant), "ft")["momentum"].bind(1000, 10)
    for k in (0, 1, 500, 999):
        assert curve(k) == pytest.approx(1 - (1 - start) * (math.cos(math.pi * k / 1000) + 1) / 2, abs=1e-15)
    assert curve(0) == pytest.approx(start)
    assert curve(1000) == 1.0


def test_byol_sums_its_directions_and_simclr_adds_them_as_the_authors_do() -> None:
    assert attrs(graphssl.load("byol"), "loss")["reduce"] == "sum"
    assert graphssl.load("byol").checked_graph().nodes["loss"].pairs == ((0, 1), (1, 0))
    assert attrs(graphssl.load("simclr"), "loss")["weight"] == 2.0


def test_losses_on_identical_outputs_are_the_known_constants() -> None:
    """What the first log line shows when wiring is broken: ln of the number of candidates."""
    for name, expected in (("simclr@quick", math.log(2 * 8 - 1)), ("infonce@quick", math.log(8))):
        method = graphssl.load(name, {"nodes.f.args": {"channels": [8, 8, 8, 8]}})
        module = graphssl.compile(method)
        with torch.no_grad():
            for parameter in module.g.parameters():
                parameter.zero_()
            if module.g[-1].bias is not None:
                module.g[-1].bias.fill_(1.0)
        x = torch.randn(8, 3, 32, 32)
        out = module({"v1": x, "v2": x, "y": torch.zeros(8, dtype=torch.long)})
        assert out.losses["loss"].item() == pytest.approx(expected, rel=1e-5)


# the recipe of training: learning rate at first, peak, middle and last step; decay; groups


def lr(reference: str, steps_per_epoch: int) -> tuple[Any, int]:
    train = graphssl.load(reference).checked_graph().train
    steps = round(train.epochs * steps_per_epoch)
    return train.lr_curve(steps, steps_per_epoch), steps


def test_moco_v1_learning_rate_falls_tenfold_at_epochs_120_and_160() -> None:
    curve, steps = lr("moco_v1", 100)
    values = [curve(e * 100) for e in (0, 119, 120, 159, 160)]
    assert values == pytest.approx([0.03, 0.03, 0.003, 0.003, 0.0003])
    assert curve(119 * 100 + 99) == pytest.approx(0.03)
    assert curve(steps - 1) == pytest.approx(0.0003)


def test_moco_v2_learning_rate_is_a_cosine_per_epoch_that_ends_at_1_85e_6() -> None:
    curve, steps = lr("moco_v2", 100)
    assert curve(0) == curve(99) == 0.03
    assert curve(100 * 100) == pytest.approx(0.015)
    assert curve(steps - 1) == pytest.approx(1.85e-6, rel=2e-3)


def test_moco_cifar_follows_the_notebook_but_counts_epochs_from_zero() -> None:
    train = graphssl.load("moco_v1@cifar10").checked_graph().train
    curve = train.lr_curve(200 * 97, 97)
    assert (train.batch_size, train.peak_lr(), curve(0)) == (512, 0.06, 0.06)
    assert curve(97) == pytest.approx(0.0599963, abs=1e-7)  # the notebook's first value
    assert train.weight_decay.bind(1, 1)(0) == 5e-4


def test_simclr_learning_rate_is_4_8_at_batch_4096_after_ten_epochs_of_warm_up() -> None:
    curve, steps = lr("simclr", 100)
    assert curve(0) == 0.0
    assert curve(500) == pytest.approx(2.4)
    assert curve(1000) == pytest.approx(4.8)
    assert curve((steps + 1000) // 2) == pytest.approx(2.4)
    assert curve(steps - 1) == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize(
    ("variant", "base", "decay", "epochs"),
    [("byol", 0.2, 1.5e-6, 1000), ("byol@ep300", 0.3, 1e-6, 300), ("byol@ep100", 0.45, 1e-6, 100),
     ("byol@ep40", 0.45, 1e-6, 40)],
)  # fmt: skip
def test_byol_presets(variant: str, base: float, decay: float, epochs: int) -> None:
    train = graphssl.load(variant).checked_graph().train
    assert train.peak_lr() == pytest.approx(base * 16)
    assert train.weight_decay.bind(1, 1)(0) == decay
    assert (train.epochs, train.batch_size) == (epochs, 4096)
    curve, _ = lr(variant, 100)
    assert curve(1000) == pytest.approx(base * 16)


def test_moco_decays_everything_while_lars_methods_leave_out_bias_and_norm() -> None:
    for name, excluded in (("moco_v1", False), ("simclr", True), ("byol", True)):
        method, module = built(name)
        graph = method.checked_graph()
        rules = {m.name: m.rule for m in members(module, graph, graph.train)}
        assert all(rule is None for key, rule in rules.items() if key.endswith("conv1.weight"))
        norm = rules["f.bn1.weight"]
        assert (norm is not None and norm.weight_decay == 0) is excluded
        bias = (
            next(rule for key, rule in rules.items() if key.startswith("g.") and key.endswith("bias"))
            if name != "simclr"
            else norm
        )
        assert (bias is not None) is excluded


def test_simsiam_predictor_keeps_its_learning_rate() -> None:
    method, module = built("simsiam")
    graph = method.checked_graph()
    rules = {m.name: m.rule for m in members(module, graph, graph.train)}
    assert all((rule is not None and rule.lr_constant) is key.startswith("q.") for key, rule in rules.items())


@pytest.mark.parametrize(
    ("name", "expected"),
    [("moco_v1", ("sgd", 1e-4, 200, 256)), ("moco_v2", ("sgd", 1e-4, 200, 256)), ("simclr", ("lars", 1e-6, 1000, 4096)),
     ("byol", ("lars", 1.5e-6, 1000, 4096)), ("simsiam", ("sgd", 1e-4, 100, 512))],
)  # fmt: skip
def test_optimizer_decay_epochs_and_batch(name: str, expected: tuple[Any, ...]) -> None:
    train = graphssl.load(name).checked_graph().train
    assert (train.optimizer, train.weight_decay.bind(1, 1)(0), train.epochs, train.batch_size) == expected
    assert train.optimizer_args == {"momentum": 0.9}


# augmentation: steps in the authors' order with their parameters


def steps(reference: str, node: str) -> tuple[list[str], dict[str, Any]]:
    found = attrs(graphssl.load(reference), node)["steps"]
    return [name for name, _ in found], dict(found)


def jitter(step: dict[str, Any]) -> tuple[float, ...]:
    return tuple(step[key] for key in ("brightness", "contrast", "saturation", "hue", "p"))


def test_moco_v1_augmentation() -> None:
    for node in ("vq", "vk"):
        order, found = steps("moco_v1", node)
        assert order == ["crop", "grayscale", "jitter", "flip", "normalize"]
        assert found["crop"]["scale"] == [0.2, 1.0]
        assert jitter(found["jitter"]) == (0.4, 0.4, 0.4, 0.4, 1.0)
        assert found["grayscale"]["p"] == 0.2


def test_moco_v2_augmentation() -> None:
    order, found = steps("moco_v2", "vq")
    assert order == ["crop", "jitter", "grayscale", "blur", "flip", "normalize"]
    assert jitter(found["jitter"]) == (0.4, 0.4, 0.4, 0.1, 0.8)
    assert (found["blur"]["p"], found["blur"]["sigma"]) == (0.5, [0.1, 2.0])
    assert found["crop"]["scale"] == [0.2, 1.0]


def test_simclr_augmentation() -> None:
    order, found = steps("simclr", "v1")
    assert [s for s in order if s != "normalize"] == ["crop", "flip", "jitter", "grayscale", "blur"]
    assert found["crop"]["scale"] == [0.08, 1.0]
    assert found["crop"]["interpolation"] == "bicubic"
    assert jitter(found["jitter"]) == (0.8, 0.8, 0.8, 0.2, 0.8)
    assert (found["grayscale"]["p"], found["blur"]["p"]) == (0.2, 0.5)
    assert found.get("normalize", "none") == "none"
    _, as_code = steps("simclr@as_code", "v1")
    assert as_code["crop"]["method"] == "simclr"
    assert as_code["jitter"]["brightness_mode"] == "additive"


def test_byol_augmentation_is_asymmetric_in_blur_and_solarize() -> None:
    (order1, one), (_, two) = steps("byol", "v1"), steps("byol", "v2")
    assert order1[0] == "crop" and order1[-1] == "normalize"
    for found in (one, two):
        assert jitter(found["jitter"]) == (0.4, 0.4, 0.2, 0.1, 0.8)
        assert found["crop"]["interpolation"] == "bicubic"
        assert found["blur"]["kernel"] == "10%"  # 23 at 224 px
        assert found["crop"]["method"] == "byol"
        assert found["jitter"]["brightness_mode"] == "additive"
    assert (one["blur"]["p"], two["blur"]["p"]) == (1.0, 0.1)
    assert (one.get("solarize", {"p": 0.0})["p"], two["solarize"]["p"]) == (0.0, 0.2)
    assert two["solarize"]["threshold"] == 0.5


def test_simclr_on_cifar_has_half_jitter_no_blur_and_temperature_one_half() -> None:
    order, found = steps("simclr@cifar10", "v1")
    assert "blur" not in order
    assert jitter(found["jitter"]) == (0.4, 0.4, 0.4, 0.1, 0.8)
    assert attrs(graphssl.load("simclr@cifar10"), "loss")["temperature"] == 0.5


def test_every_bundled_method_and_variant_checks_without_error() -> None:
    from graphssl.bundled import method_files
    from graphssl.language.resolve import locate, variants_of

    for name in method_files():
        for variant in ["", *(f"@{v}" for v in variants_of(locate(name)[0]))]:
            found = graphssl.check(f"{name}{variant}", static=True)
            assert not [f for f in found if f.severity == "error"], f"{name}{variant}: {found}"


# SimCLR v2


def test_simclr_v2_selective_kernels_have_the_papers_35_million_parameters() -> None:
    _, plain = built("simclr_v2")
    _, module = built("simclr_v2@sk")
    assert count(plain.f) == 23_508_032
    assert (round(count(plain.f) / 1e6), round(count(module.f) / 1e6)) == (24, 35)  # paper, table 1
    block = module.f.layer4[0].conv2
    assert [p.conv.kernel_size for p in block.paths] == [(3, 3)] * 2
    assert [p.conv.in_channels for p in block.paths] == [512] * 2, "each path sees the whole input"
    reduced = [m.attn.fc_reduce.out_channels for m in module.f.modules() if hasattr(m, "attn")]
    assert reduced == [32] * 16, "max(width / 16, 32)"
    assert [m.out_channels for m in module.f.conv1 if isinstance(m, nn.Conv2d)] == [32, 32, 64], "the stem of ResNet-D"


def test_simclr_v2_head_has_three_layers_and_fine_tuning_keeps_the_first() -> None:
    _, module = built("simclr_v2")
    names = ["linear1", "norm1", "act1", "linear2", "norm2", "act2", "last", "last_norm"]
    assert [name for name, _ in module.g.named_children()] == names
    assert count(module.g) == 2 * (2048 * 2048 + 2 * 2048) + 2048 * 128 + 128
    assert module.g.last_norm.bias is None
    method, tuned = built("simclr_v2_finetune")
    assert [name for name, _ in tuned.g.named_children()] == names[:3]
    assert count(tuned.logits) == 2048 * 1000 + 1000
    assert str(method.checked_graph().represent) == "g.hidden.0"


def test_simclr_v2_learning_rate_and_share_of_labels() -> None:
    curve, steps = lr("simclr_v2", 100)
    assert curve(0) == 0 and curve(steps // 20) == pytest.approx(6.4)
    train = graphssl.load("simclr_v2").checked_graph().train
    assert (train.epochs, train.weight_decay.bind(1, 1)(0)) == (800, 1e-4)
    tuned = graphssl.load("simclr_v2_finetune").checked_graph().train
    assert (tuned.peak_lr(), tuned.images, tuned.epochs, tuned.batch_size) == (pytest.approx(0.16), 0.1, 30, 1024)
    assert tuned.lr_curve(100, 10)(0) == pytest.approx(0.16), "no warm-up"


def test_simclr_v2_memory_is_a_queue_of_65536_keys_of_a_slow_copy() -> None:
    method, module = built("simclr_v2@memory")
    assert tuple(module.queue.rows.shape) == (65_536, 128)
    assert attrs(method, "fk")["momentum"] == attrs(method, "gk")["momentum"] == 0.999
