"""DINO (arXiv:2104.14294) against facebookresearch/dino."""

from __future__ import annotations

import inspect
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from graphssl.cli import _parser
from graphssl.evaluate.frozen import knn_of_run
from graphssl.ops.modules.encoder import encoder
from tests.conftest import TOY_TRANSFORMER, toy_views
from tests.graphs.paper import (
    R50,
    VIT_B,
    VIT_S,
    attrs,
    built,
    count,
    decay,
    equal,
    flags,
    graph_of,
    jitter,
    lr,
    nodes,
    optimizer,
    recipe,
    rules,
    spared,
    taken,
    tiny,
)  # fmt: skip

G = "h.last_layer.parametrizations.weight.original0"  # the lengths of the prototypes, weight_g

# structure


def test_the_student_is_vit_s_of_12_blocks_6_heads_and_epsilon_1e_6() -> None:
    _, module = built("dino")
    assert count(module.f) == VIT_S
    assert (module.f.embed_dim, len(module.f.blocks), module.f.patch_embed.patch_size) == (384, 12, (16, 16))
    assert {block.attn.num_heads for block in module.f.blocks} == {6}
    assert all(block.attn.qkv.bias is not None for block in module.f.blocks)
    assert {m.eps for m in module.f.modules() if isinstance(m, nn.LayerNorm)} == {1e-6}


def test_positions_are_resized_and_the_class_token_starts_as_the_authors_do() -> None:
    for reference in ("dino", "ibot"):
        encoder = attrs(reference, "f")
        assert (encoder["position_scaling"], encoder["weight_init"]) == ("dino", "dino")


def test_the_teacher_is_evaluated() -> None:
    assert graph_of("dino").represent.node == graph_of("ibot").represent.node == "ft"


def test_linear_layers_of_the_encoder_start_as_a_truncated_normal() -> None:
    torch.manual_seed(0)
    model = encoder("vit_tiny_patch16_224", image_sizes=[64], args=TOY_TRANSFORMER, weight_init="dino")
    for layer in (model.blocks[0].attn.qkv, model.blocks[0].mlp.fc1):
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.1) and not layer.bias.any()
    assert model.pos_embed.std().item() == pytest.approx(0.02, rel=0.2)


def test_the_teacher_starts_as_a_copy_and_drops_no_paths_though_in_train_mode() -> None:
    assert (attrs("dino", "f")["drop_path"], attrs("dino", "ft")["drop_path"]) == (0.1, 0.0)
    _, module = tiny("dino")
    assert equal(module.f, module.ft) and equal(module.h, module.ht)
    assert module.train().ft.training and module.ht.training
    _, paper = built("dino")
    rates = {name: [m.drop_prob for m in part.modules() if type(m).__name__ == "DropPath"]
             for name, part in (("f", paper.f), ("ft", paper.ft))}  # fmt: skip
    assert max(rates["f"]) == pytest.approx(0.1) and not any(rates["ft"])


def test_the_head_has_three_layers_a_bottleneck_and_65536_weight_normed_prototypes() -> None:
    _, module = built("dino")
    mlp = 384 * 2048 + 2048 + 2048 * 2048 + 2048 + 2048 * 256 + 256
    assert count(module.h) == mlp + 65_536 * 256 + 65_536
    assert [type(m) for m in module.h.mlp] == [nn.Linear, nn.GELU, nn.Linear, nn.GELU, nn.Linear]
    last = dict(module.h.last_layer.named_parameters())
    assert [tuple(p.shape) for p in last.values()] == [(65_536, 1), (65_536, 256)], "weight_g, weight_v and no bias"


@pytest.mark.parametrize(("reference", "trained"), [("dino", True), ("dino@vit_base", False), ("dino@vanilla", False)])
def test_lengths_of_the_prototypes_are_trained_for_vit_s_and_fixed_for_vit_b(reference: str, trained: bool) -> None:
    _, module = built(reference)
    assert module.get_parameter(G).requires_grad is trained
    assert count(module.f) == (VIT_B if reference == "dino@vit_base" else VIT_S)


def test_each_resolution_is_one_pass_and_all_crops_one_of_the_head() -> None:
    assert (attrs("dino", "f")["batch"], attrs("dino", "h")["batch"]) == ("by_size", "joint")
    _, module = tiny("dino")
    sizes: list[tuple[int, int]] = []
    rows: list[int] = []
    module.f.patch_embed.register_forward_pre_hook(lambda _, args: sizes.append((len(args[0]), args[0].shape[-1])))
    module.h.register_forward_pre_hook(lambda _, args: rows.append(len(args[0])))
    module({"large": list(torch.randn(2, 4, 3, 32, 32)), "small": list(torch.randn(2, 4, 3, 16, 16))})
    assert sorted(set(sizes)) == [(8, 16), (8, 32)] and len(sizes) == 2
    assert rows == [16]


# loss, centre, teacher


def test_ten_crops_and_two_targets_make_18_terms_that_are_averaged() -> None:
    loss = nodes("dino")["loss"]
    assert len(loss.pairs) == 2 * 10 - 2
    assert (taken("dino", "f", "image"), taken("dino", "ft", "image")) == (["large", "small"], ["large"])
    assert (loss.attrs["temperature"], loss.attrs["reduce"], loss.attrs["weight"]) == (0.1, "mean", 1.0)
    assert flags("dino", "p") == {(False, False)}


def test_the_loss_equals_the_authors_formula() -> None:
    method, module = tiny("dino")
    module.c.center.normal_()
    out = module(toy_views(method), keep=["h", "ht"])
    student, teacher = out.values["h"], out.values["ht"]
    terms = []
    for q in range(2):
        target = ((teacher[q] - module.c.center) / module.temperature(0)).softmax(dim=1)
        for v in range(len(student)):
            if v != q:
                terms.append(-(target * F.log_softmax(student[v] / 0.1, dim=1)).sum(dim=1).mean())
    assert torch.allclose(out.loss, sum(terms) / len(terms), rtol=1e-5)
    assert len(terms) == 2 * len(student) - 2


def test_the_teachers_temperature_takes_30_values_one_an_epoch() -> None:
    curve = attrs("dino", "p")["temperature"].bind(100 * 10, 10)
    values = [curve(10 * epoch) for epoch in range(30)]
    expected = torch.linspace(0.04, 0.07, 30, dtype=torch.float64).tolist()
    assert values == pytest.approx(expected, abs=1e-12)
    assert [curve(k) for k in (9, 10, 19)] == pytest.approx([0.04, expected[1], expected[1]])
    assert curve(300) == curve(999) == 0.07
    assert attrs("dino@vanilla", "p")["temperature"].values() == [0.04, 0.04]


def test_the_centre_starts_at_zero_and_moves_by_a_tenth_behind_the_step() -> None:
    _, module = built("dino")
    assert tuple(module.c.center.shape) == (65_536,)
    assert (attrs("dino", "c")["momentum"], attrs("dino", "c")["update"]) == (0.9, "after_step")
    assert taken("dino", "c", "x") == ["ht"], "raw logits of the teacher"
    _, small = tiny("dino")
    assert not small.c.center.any()


@pytest.mark.parametrize("slow", ["ft", "ht"])
def test_the_teacher_moves_behind_the_step_by_a_cosine_from_996_to_one(slow: str) -> None:
    node = attrs("dino", slow)
    assert (node["update"], node["buffers"], node["mode"], node["init"]) == ("after_step", "own", "train", "copy")
    curve = node["momentum"].bind(1000, 10)
    for k in (0, 1, 500, 999):
        assert curve(k) == pytest.approx(1 - 0.004 * (1 + math.cos(math.pi * k / 1000)) / 2, abs=1e-15)
    assert (curve(0), curve(1000)) == (pytest.approx(0.996), 1.0)


# the recipe of training


def test_class_token_positions_and_lengths_of_prototypes_are_decayed_and_nothing_with_one_axis() -> None:
    found, parameters = rules("dino")
    assert spared("dino") == {name for name, p in parameters.items() if p.ndim <= 1 or name.endswith(".bias")}
    for name in ("f.cls_token", "f.pos_embed", G):
        assert name not in spared("dino") and name in found
    assert tuple(parameters[G].shape) == (65_536, 1)


def test_only_the_last_layer_waits_an_epoch_without_gradient() -> None:
    found, _ = rules("dino")
    waiting = {name: rule for name, rule in found.items() if rule is not None and rule.freeze_until is not None}
    assert set(waiting) == {G, G.replace("original0", "original1")}
    rule = waiting[G]
    assert (str(rule.freeze_until), rule.frozen_as) == ("1ep", "no_grad")


def test_each_tensors_gradient_is_clipped_to_three() -> None:
    assert (recipe("dino").clip_norm, recipe("dino").clip_scope) == (3.0, "parameter")


def test_dino_is_trained_by_adamw_with_a_rising_weight_decay_in_half_precision() -> None:
    train = recipe("dino")
    assert (train.optimizer, train.epochs, train.batch_size, train.precision) == ("adamw", 100, 1024, "fp16")
    assert {group["betas"] for group in optimizer("dino").param_groups} == {(0.9, 0.999)}
    curve, steps = lr("dino")
    peak = 5e-4 * 1024 / 256
    assert (curve(0), curve(500), curve(1000)) == pytest.approx((0, peak / 2, peak))
    assert curve(999) == pytest.approx(peak * 0.999)  # theirs is the peak: linspace(0, peak, 1000) has both ends
    assert curve((1000 + steps) // 2) == pytest.approx((peak + 1e-6) / 2)
    weight_decay = train.weight_decay.bind(1000, 10)
    assert [weight_decay(k) for k in (0, 500, 1000)] == pytest.approx([0.04, 0.22, 0.4])


def test_the_learning_rate_ends_at_1e_6_whatever_the_batch() -> None:
    for reference in ("dino", "dino@vanilla", "dino@ep800", "dino@cifar10", "ibot"):
        curve, steps = lr(reference)
        assert curve(steps) == pytest.approx(1e-6)


@pytest.mark.parametrize(
    ("reference", "epochs", "batch"), [("dino@vanilla", 100, 512), ("dino@ep300", 300, 1024), ("dino@ep800", 800, 1024)]
)
def test_the_authors_runs_are_variants(reference: str, epochs: int, batch: int) -> None:
    assert (recipe(reference).epochs, recipe(reference).batch_size) == (epochs, batch)


# augmentation


def crops(reference: str) -> tuple[list[dict[str, Any]], dict[str, Any], list[list[str]]]:
    """The steps of both large crops, of the small ones, and their order."""
    both, small = attrs(reference, "large")["views"], attrs(reference, "small")["steps"]
    return [dict(view) for view in both], dict(small), [[name for name, _ in view] for view in (*both, small)]


@pytest.mark.parametrize(
    ("reference", "large", "small", "number"),
    [("dino", [0.4, 1.0], [0.05, 0.4], 8), ("dino@vanilla", [0.4, 1.0], [0.05, 0.4], 8),
     ("dino@ep300", [0.4, 1.0], [0.05, 0.4], 8), ("dino@ep800", [0.25, 1.0], [0.05, 0.25], 10)],
)  # fmt: skip
def test_dino_crops(reference: str, large: list[float], small: list[float], number: int) -> None:
    both, local, _ = crops(reference)
    assert [view["crop"]["scale"] for view in both] == [large] * 2
    assert local["crop"]["scale"] == small
    assert attrs(reference, "small")["count"] == number
    assert (attrs(reference, "large")["size"], attrs(reference, "small")["size"]) == (224, 96)
    assert {view["crop"]["interpolation"] for view in (*both, local)} == {"bicubic"}


def test_dino_augmentation_is_asymmetric_in_blur_and_solarize() -> None:
    (one, two), local, order = crops("dino")
    whole = ["crop", "flip", "jitter", "grayscale", "blur", "solarize", "normalize"]
    plain = [step for step in whole if step != "solarize"]
    assert order == [plain, whole, plain]
    for view in (one, two, local):
        assert jitter(view["jitter"]) == (0.4, 0.4, 0.2, 0.1, 0.8)
        assert (view["flip"]["p"], view["grayscale"]["p"], view["blur"]["sigma"]) == (0.5, 0.2, [0.1, 2.0])
    assert [view["blur"]["p"] for view in (one, two, local)] == [1.0, 0.1, 0.5]
    assert two["solarize"] == {"threshold": 0.5, "p": 0.2}


# a convnet, and the experiments of table 7


def test_the_recipe_for_a_convnet_is_a_variant() -> None:
    reference = "dino@resnet50"
    assert (attrs(reference, "f")["arch"], attrs(reference, "f")["zero_init_last"]) == ("resnet50", False)
    _, module = built(reference)
    assert count(module.f) == R50
    train = recipe(reference)
    assert (train.optimizer, decay(reference), train.peak_lr()) == ("sgd", 1e-4, pytest.approx(0.03 * 2))
    assert (train.epochs, train.batch_size, train.lr_curve(1000, 10)(1000)) == (100, 512, pytest.approx(1e-6))
    both, local, _ = crops(reference)
    assert [view["crop"]["scale"] for view in both] == [[0.14, 1.0]] * 2 and local["crop"]["scale"] == [0.05, 0.14]
    assert not [m for m in module.h.mlp if isinstance(m, nn.BatchNorm1d)], "use_bn_in_head false"


def test_without_small_crops_two_large_ones_of_a_wider_scale_remain() -> None:
    assert taken("dino@no_multicrop", "f", "image") == ["large"] and "small" not in nodes("dino@no_multicrop")
    views = attrs("dino@no_multicrop", "large")["views"]
    assert [dict(view)["crop"]["scale"] for view in views] == [[0.14, 1.0]] * 2
    assert nodes("dino@no_multicrop")["loss"].pairs == ((0, 1), (1, 0))


def test_mse_and_predictor_are_one_change_each() -> None:
    assert nodes("dino@mse")["loss"].op.name == "mse_loss"
    assert attrs("dino@mse", "sp")["temperature"] == 0.1 and taken("dino@mse", "loss", "target") == ["p"]
    assert nodes("dino@predictor")["q"].op.name == "predictor"
    assert taken("dino@predictor", "ht", "features") == ["ft"], "none on the side of the teacher"


def test_no_momentum_makes_the_teacher_the_student_of_the_step_before() -> None:
    _, module = tiny("dino", "@no_momentum")
    with torch.no_grad():
        module.f.cls_token.add_(1.0)
    assert not equal(module.f, module.ft)
    module.commit("after_step", 0)
    assert equal(module.f, module.ft)


def test_sinkhorn_stands_in_place_of_centre_and_softmax() -> None:
    graph = nodes("dino@sinkhorn")
    assert "c" not in graph and (graph["p"].op.name, taken("dino@sinkhorn", "p", "x")) == ("sinkhorn", ["ht"])
    assert attrs("dino@sinkhorn", "p")["temperature"] == attrs("dino", "p")["temperature"]


# evaluation


def test_the_vote_of_neighbours_is_dinos_unless_said_otherwise() -> None:
    given = _parser().parse_args(["eval", "knn", "RUN", "--data", "shapes"])
    assert (given.k, given.temperature) == (None, None)
    default = inspect.signature(knn_of_run).parameters
    assert (default["k"].default, default["temperature"].default) == (20, 0.07)
