"""DINOv2 (arXiv:2304.07193) against facebookresearch/dinov2."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from timm.layers import DropPath

import graphssl
from graphssl.language.schedule import Curve
from graphssl.ops.koleo import koleo_loss
from graphssl.ops.modules.drop_path import DropExactly
from graphssl.runtime.optim import Optimizers, members
from tests.conftest import toy_overrides, toy_views
from tests.graphs.paper import attrs, built, count, graph_of, jitter, lr, nodes, recipe, rules, taken, tiny

VIT_L = 303_301_632  # ViT-L/16 without its classifier
SCALES = 2 * 24 * 1024  # LayerScale


# structure


def test_the_student_is_vit_l_with_layer_scale_and_a_mask_token() -> None:
    _, module = built("dinov2")
    assert count(module.f) == VIT_L + SCALES + 1024
    assert (len(module.f.blocks), module.f.embed_dim, module.f.num_reg_tokens) == (24, 1024, 0)
    real = graphssl.compile(
        graphssl.load("dinov2@quick", {**toy_overrides("dinov2"), "nodes.f.args.init_values": 1e-5})
    )
    assert real.f.blocks[0].ls1.gamma.tolist() == pytest.approx([1e-5] * 16)
    assert attrs("dinov2", "f")["args"]["init_values"] == 1e-5
    assert attrs("dinov2", "f")["weight_init"] == "timm", "class token N(0, 1e-6)"
    assert built("dinov2@registers")[1].f.num_reg_tokens == 4


def test_every_block_of_the_student_drops_an_exact_number_of_samples_at_one_rate() -> None:
    for reference, rate in (("dinov2", 0.3), ("dinov2@long", 0.4)):
        _, module = built(reference)
        drops = [drop for block in module.f.blocks for drop in (block.drop_path1, block.drop_path2)]
        assert {(type(drop), drop.p) for drop in drops} == {(DropExactly, rate)}
        assert not [m for m in module.ft.modules() if isinstance(m, DropExactly | DropPath) and getattr(m, "p", 1) > 0]


def test_the_teacher_is_in_eval_mode_and_moves_behind_the_step() -> None:
    _, module = tiny("dinov2")
    assert module.train().f.training and not module.ft.training and module.ht.training, "heads have nothing to switch"
    assert attrs("dinov2", "ft")["update"] == attrs("dinov2", "ht")["update"] == "after_step"
    assert attrs("dinov2", "ft")["buffers"] == "own", "over parameters"
    assert graph_of("dinov2").represent.node == "ft"


def test_one_head_serves_class_and_patch_tokens_in_the_short_recipe_and_two_in_the_long() -> None:
    _, module = built("dinov2")
    trunk = 1024 * 2048 + 2048 + 2048 * 2048 + 2048
    assert count(module.h) == trunk + 2048 * 256 + 256 + 256 * 65536 + 65536
    assert nodes("dinov2")["hp"].of.node == "h" and not hasattr(module, "hp")
    assert nodes("dinov2")["htp"].of.node == "ht" and not hasattr(module, "htp")
    _, long = built("dinov2@long")
    assert count(long.h) == trunk + 2048 * 384 + 384 + 384 * 131072 + 131072
    assert count(long.hp) == trunk + 2048 * 256 + 256 + 256 * 131072 + 131072
    assert nodes("dinov2@long")["htp"].of.node == "hp"


def test_the_long_recipe_has_swiglu_patches_of_14_and_small_crops_of_98_pixels() -> None:
    _, module = built("dinov2@long")
    ffn = module.f.blocks[0].mlp
    assert (ffn.fc1.out_features, ffn.fc2.in_features) == (2 * 2736, 2736), "2/3 of 4096, rounded up to a multiple of 8"
    assert module.f.patch_embed.patch_size == (14, 14)
    assert (attrs("dinov2@long", "large")["size"], attrs("dinov2@long", "small")["size"]) == (224, 98)
    assert attrs("dinov2@long", "mask")["patch"] == 14
    _, giant = built("dinov2@giant")
    assert (giant.f.embed_dim, len(giant.f.blocks), giant.f.blocks[0].attn.num_heads) == (1536, 40, 24)
    assert giant.f.blocks[0].mlp.fc2.in_features == 4096


# losses


def test_the_loss_of_class_tokens_equals_the_authors_sum() -> None:
    """Local crops: Σ / (2 + 2 · l); large ones, the teacher's chunks reversed: · 2 / (2 + 2 · l)."""
    method, module = tiny("dinov2")
    out = module(toy_views(method), step=50, keep=["h", "p"])
    student, teacher = out.values["h"], out.values["p"]

    def cost(s: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return -(t * F.log_softmax(s / 0.1, dim=-1)).sum(-1).mean()

    local = student[2:]
    terms = 2 + 2 * len(local)
    small = sum(cost(s, t) for s in local for t in teacher) / terms
    large = cost(torch.cat(student[:2]), torch.cat(teacher[::-1])) * 2 / terms
    torch.testing.assert_close(out.losses["loss"], small + large)
    assert nodes("dinov2")["loss"].attrs["weight"] == nodes("dinov2")["patch_loss"].attrs["weight"] == 1.0
    assert len(nodes("dinov2")["loss"].pairs) == 18


def test_the_loss_of_patches_is_a_mean_over_all_large_crops_masked_or_not() -> None:
    method, module = tiny("dinov2")
    module.eval()  # BatchNorm in the heads of the quick variant would see other rows in the loop below
    views = toy_views(method)
    views["mask"] = [mask & (torch.arange(len(mask)) % 2 == view)[:, None] for view, mask in enumerate(views["mask"])]
    out = module(views, step=50, keep=["f.patch", "ft.patch"])
    total, crops = torch.zeros(()), 0
    for s, t, mask in zip(out.values["f.patch"], out.values["ft.patch"], views["mask"], strict=True):
        for i in range(len(mask)):
            crops += 1
            if mask[i].any():
                target = (module.ht(t[i][mask[i]]) - module.cp.center).div(module.temperature(50)).softmax(-1)
                total = total - (target * F.log_softmax(module.h(s[i][mask[i]]) / 0.1, dim=-1)).sum(-1).mean()
    torch.testing.assert_close(out.losses["patch_loss"], total / crops, rtol=1e-4, atol=1e-6)


def test_koleo_is_added_over_both_large_crops_before_the_head_with_weight_one_tenth() -> None:
    assert taken("dinov2", "koleo", "features") == ["f"], "the class token: what a vision transformer pools"
    assert (attrs("dinov2", "koleo")["weight"], attrs("dinov2", "koleo")["reduce"]) == (0.1, "sum")
    groups = {name: attrs(name, "koleo")["group"] for name in ("dinov2", "dinov2@long", "dinov2@giant")}
    assert groups == {"dinov2": 64, "dinov2@long": 32, "dinov2@giant": 12}, "the images of one GPU"
    method, module = tiny("dinov2")
    out = module(toy_views(method), keep=["f"])
    torch.testing.assert_close(out.losses["koleo"], sum(koleo_loss(view) for view in out.values["f"]))


def test_both_centres_start_at_zero_and_that_of_patches_is_of_masked_ones_alone() -> None:
    method, module = tiny("dinov2")
    assert attrs("dinov2", "c")["momentum"] == attrs("dinov2", "cp")["momentum"] == 0.9
    views = toy_views(method)
    module.eval()
    values = module(views, keep=["ft", "ft.patch"]).values
    classes = torch.cat([module.ht(view) for view in values["ft"]]).mean(dim=0)
    masked = torch.cat([v[m] for v, m in zip(values["ft.patch"], views["mask"], strict=True)])
    patches = module.ht(masked).mean(dim=0)
    assert not module.c.center.any() and not module.cp.center.any()
    module.train()
    for part in (module.h, module.ht):
        part.eval()
    module(views)
    module.commit("after_step", 0)
    moved = 1 - module.c.momentum
    torch.testing.assert_close(module.c.center, moved * classes, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(module.cp.center, moved * patches, rtol=1e-4, atol=1e-6)


def test_the_long_recipe_balances_targets_by_sinkhorn_in_three_iterations() -> None:
    long = nodes("dinov2@long")
    assert (long["p"].op.name, long["pp"].op.name) == ("sinkhorn", "sinkhorn")
    assert long["p"].attrs["iterations"] == long["pp"].attrs["iterations"] == 3
    assert long["p"].attrs["batch"] == "joint", "both large crops together"
    assert taken("dinov2@long", "pp", "mask") == ["t.weight"], "padding is left out"
    assert not {"c", "cp"} & set(long)


# masks and crops


def test_half_of_the_large_crops_are_masked_with_stratified_shares_of_blocks() -> None:
    mask = attrs("dinov2", "mask")
    assert (mask["ratio"], mask["share"], mask["stratified"]) == ((0.1, 0.5), 0.5, True)
    assert (mask["min_block"], mask["max_block"], mask["patch"]) == (4, 0.5, 16)
    assert attrs("dinov2", "s")["room"] == attrs("dinov2", "t")["room"] == 0.2


def test_the_head_sees_masked_tokens_alone() -> None:
    assert taken("dinov2", "hp", "features") == ["s"] and taken("dinov2", "htp", "features") == ["t"]
    assert taken("dinov2", "s", "tokens") == ["f.patch"] and taken("dinov2", "t", "tokens") == ["ft.patch"]


@pytest.mark.parametrize(
    ("reference", "blur"), [("dinov2", (0.0, 0.9)), ("dinov2@as_code", (0.0, 0.9)), ("dinov2@as_intended", (1.0, 0.1))]
)
def test_crops_and_their_blur_as_code_and_as_intended(reference: str, blur: tuple[float, float]) -> None:
    large = [dict(view) for view in attrs(reference, "large")["views"]]
    small = dict(attrs(reference, "small")["steps"])
    assert tuple(view["blur"]["p"] for view in large) == blur and small["blur"]["p"] == 0.5
    assert [view["crop"]["scale"] for view in (*large, small)] == [[0.32, 1.0], [0.32, 1.0], [0.05, 0.32]]
    for view in (*large, small):
        assert [name for name in view if name != "solarize"] == [
            "crop",
            "flip",
            "jitter",
            "grayscale",
            "blur",
            "normalize",
        ]
        assert view["crop"]["interpolation"] == "bicubic" and view["blur"]["kernel"] == 9
        assert jitter(view["jitter"]) == (0.4, 0.4, 0.2, 0.1, 0.8) and view["grayscale"]["p"] == 0.2
        assert view["blur"]["sigma"] == [0.1, 2.0]
    assert "solarize" not in large[0] and "solarize" not in small
    assert (large[1]["solarize"]["p"], large[1]["solarize"]["threshold"]) == (0.2, 0.5), "128 of 255"
    assert attrs(reference, "small")["count"] == 8 and attrs(reference, "small")["size"] == 96


# the recipe of training


def test_the_learning_rate_follows_the_root_of_the_batch_and_ends_at_1e_6() -> None:
    curve, steps = lr("dinov2", 625)  # steps in a pass over ImageNet-1k
    assert steps == 125_000 == 100 * 1250
    assert curve(0) == 0 and curve(12_500) == pytest.approx(0.004 * math.sqrt(2048 / 1024))
    assert curve(steps) == pytest.approx(1e-6)
    assert recipe("dinov2").batch_size == 2048


def test_decay_momentum_and_temperature_follow_the_authors_schedules() -> None:
    train, (decay, tau, sharp) = recipe("dinov2"), schedules("dinov2")
    assert (train.optimizer, train.optimizer_args) == ("adamw", {"betas": [0.9, 0.999]})
    assert [decay(0), decay(62_500), decay(125_000)] == pytest.approx([0.04, 0.22, 0.4])
    assert [tau(0), tau(62_500), tau(125_000)] == pytest.approx([0.992, 0.996, 1.0])
    assert [sharp(0), sharp(18_750), sharp(37_500), sharp(99_999)] == pytest.approx([0.04, 0.055, 0.07, 0.07])
    assert sharp(1) > sharp(0), "each step"


def schedules(reference: str) -> list[Curve]:
    """Weight decay, the momentum of the slow copy and the temperature of its targets, over 125 000 steps."""
    graph = graph_of(reference)
    written = (graph.train.weight_decay, graph.nodes["ft"].attrs["momentum"], graph.nodes["p"].attrs["temperature"])
    return [schedule.bind(125_000, 1250) for schedule in written]


def test_the_last_layer_is_frozen_for_a_hundredth_by_a_rate_of_zero_while_moments_advance() -> None:
    found, _ = rules("dinov2")
    last = {name: rule for name, rule in found.items() if name.startswith("h.last_layer")}
    assert {(rule.name, str(rule.freeze_until), rule.frozen_as) for rule in last.values()} == {
        ("last", "1%", "lr_zero")
    }
    assert all(rule.weight_decay is None for rule in last.values()), "lengths of prototypes are decayed"
    method = graphssl.load("dinov2@quick", toy_overrides("dinov2"))
    module = graphssl.compile(method, steps=1000, steps_per_epoch=100)
    optimizers = Optimizers(module, method.graph, method.graph.train, 1000, 100)
    weight = module.h.last_layer.parametrizations.weight.original1
    before = weight.detach().clone()
    for step in (40, 41):
        optimizers.schedule(step)
        module(toy_views(method), step).loss.backward()
        optimizers.drop_frozen(step)
        optimizers.main.step()
    assert torch.equal(weight, before)
    state = optimizers.main.state[weight]
    assert int(state["step"]) == 2 and state["exp_avg"].any()


def test_gradients_are_clipped_by_the_norm_of_each_module() -> None:
    assert (recipe("dinov2").clip_norm, recipe("dinov2").clip_scope) == (3.0, "node")


def test_rates_fall_by_a_tenth_for_each_layer_from_heads_down_to_the_stem() -> None:
    assert recipe("dinov2").layer_decay == 0.9
    for name, layer in (("h.mlp.linear1.weight", 25), ("f.norm.weight", 25), ("f.blocks.23.mlp.fc1.weight", 24),
                        ("f.blocks.0.attn.qkv.weight", 1), ("f.cls_token", 0), ("f.pos_embed", 0), ("f.mask_token", 0)):  # fmt: skip
        assert scale_of("dinov2", name) == pytest.approx(0.9 ** (25 - layer)), name
    assert scale_of("dinov2", "f.patch_embed.proj.weight") == pytest.approx(0.2 * 0.9**25)
    assert scale_of("dinov2", "f.patch_embed.proj.bias") == pytest.approx(0.2 * 0.9**25)
    assert recipe("dinov2@long").layer_decay is None


def scale_of(reference: str, name: str) -> float:
    """The factor of the learning rate of one parameter."""
    method, module = built(reference)
    graph = method.checked_graph()
    [found] = [m for m in members(module, graph, graph.train) if m.name == name]
    own = found.rule.lr_scale if found.rule and found.rule.lr_scale is not None else 1.0
    return own * found.lr_scale


def test_biases_norms_and_layer_scale_are_not_decayed_and_tokens_are() -> None:
    found, parameters = rules("dinov2")
    spared = {name for name, rule in found.items() if rule is not None and rule.weight_decay == 0}
    one_axis = {name for name, p in parameters.items() if p.dim() == 1}
    assert spared == one_axis
    assert {"f.cls_token", "f.mask_token", "f.pos_embed"}.isdisjoint(spared)


def test_the_long_recipe_of_training() -> None:
    train = recipe("dinov2@long")
    curve, steps = lr("dinov2@long", 4630)  # steps in a pass over ImageNet-22k's 14.2 million images
    assert abs(steps - 625_000) < 1000
    assert max(curve(s) for s in range(0, steps, 997)) == pytest.approx(2e-4 * math.sqrt(3), rel=1e-3)
    assert curve(round(steps * 0.08)) == pytest.approx(curve(round(steps * 0.16)) / 2, rel=1e-3), "80 of 500"
    decay, tau, sharp = schedules("dinov2@long")
    assert (decay(125_000), tau(0), sharp(7_500)) == (pytest.approx(0.2), 0.994, pytest.approx(0.07))
    assert train.batch_size == 3072


# distillation and the last stage


def test_the_teacher_of_a_distillation_is_a_frozen_giant_with_its_own_heads() -> None:
    method, module = built("dinov2_distill")
    teacher = module.get_submodule("teacher_ft")
    assert (teacher.embed_dim, len(teacher.blocks)) == (1536, 40)
    assert not any(p.requires_grad for part in (teacher, module.ht, module.htp) for p in part.parameters())
    student = attrs("dinov2_distill", "f")
    assert student["drop_path"] == 0 and "mask" not in nodes("dinov2_distill")
    train = method.graph.train
    assert (train.peak_lr(), train.batch_size) == (1e-3, 2048)
    assert graph_of("dinov2_distill").represent.node == "slow"
    for reference, width in (("dinov2_distill@vit_small", 384), ("dinov2_distill@vit_base", 768)):
        assert built(reference)[1].f.embed_dim == width


def test_the_last_stage_starts_from_a_run_at_518_pixels() -> None:
    graph = graph_of("dinov2_highres")
    assert graph.nodes["large"].attrs["size"] == 518
    for name in ("f", "h", "hp", "ft", "ht", "htp"):
        assert graph.nodes[name].attrs["from"] == "dinov2@long"
    _, here = built("dinov2_highres")
    _, there = built("dinov2@long")
    shapes = [{n: tuple(p.shape) for n, p in module.state_dict().items()} for module in (here, there)]
    assert shapes[0] == shapes[1], "weights of the run fit as they are"
