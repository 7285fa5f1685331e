"""iBOT (arXiv:2111.07832) against bytedance/ibot."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

import graphssl
from tests.conftest import toy_views
from tests.graphs.paper import (
    VIT_B,
    VIT_S,
    attrs,
    built,
    count,
    flags,
    nodes,
    recipe,
    rules,
    spared,
    taken,
    tiny,
)  # fmt: skip


def test_the_student_sees_masked_large_crops_and_the_teacher_whole_ones() -> None:
    graph = nodes("ibot")
    assert (taken("ibot", "f", "image"), taken("ibot", "f", "mask")) == (["large"], ["mask"])
    assert taken("ibot", "mask", "image") == ["large"]
    assert (
        graph["fs"].op.name == "share"
        and taken("ibot", "fs", "image") == ["small"]
        and "mask" not in graph["fs"].inputs
    )
    assert taken("ibot", "ft", "image") == ["large"] and "mask" not in graph["ft"].inputs


def test_the_mask_token_starts_at_zero_has_one_row_and_is_decayed() -> None:
    _, module = built("ibot")
    assert tuple(module.f.mask_token.shape) == (1, 384)
    assert count(module.f) == VIT_S + 384
    _, small = tiny("ibot")
    assert not small.f.mask_token.any()
    assert "f.mask_token" in rules("ibot")[0] and "f.mask_token" not in spared("ibot")


def test_the_encoder_is_dinos_without_layer_scale() -> None:
    _, module = built("ibot")
    assert {type(m).__name__ for m in module.f.modules()}.isdisjoint({"LayerScale"})
    kept = {key: value for key, value in attrs("dino", "f").items() if attrs("ibot", "f")[key] != value}
    assert kept == {}


@pytest.mark.parametrize("reference", ["ibot", "ibot@vit_base"])
def test_one_head_of_8192_serves_class_and_patch_tokens_on_both_sides(reference: str) -> None:
    _, module = built(reference)
    width, encoder = (384, VIT_S) if reference == "ibot" else (768, VIT_B)
    mlp = width * 2048 + 2048 + 2048 * 2048 + 2048 + 2048 * 256 + 256
    assert count(module.h) == count(module.ht) == mlp + 8192 * 256 + 8192
    assert count(module.f) == encoder + width
    graph = nodes(reference)
    assert (graph["hp"].op.name, graph["hp"].root, graph["htp"].op.name) == ("share", "h", "share")
    assert (taken(reference, "hp", "features"), taken(reference, "htp", "features")) == (["f.patch"], ["ft.patch"])
    assert module.h.last_layer.parametrizations.weight.original0.requires_grad, "norm_last_layer false, for ViT-B too"
    assert not hasattr(module, "hp") and not hasattr(module, "htp")


def test_class_tokens_meet_the_other_views_and_patches_their_own() -> None:
    graph = nodes("ibot")
    assert len(graph["loss"].pairs) == 18 and all(i != j for i, j in graph["loss"].pairs)
    assert graph["patch_loss"].pairs == ((0, 0), (1, 1))
    assert taken("ibot", "patch_loss", "mask") == ["mask"]
    for loss in ("loss", "patch_loss"):
        values = graph[loss].attrs
        assert (values["weight"], values["temperature"], values["reduce"]) == (1.0, 0.1, "mean")
    assert flags("ibot", "pp") == flags("ibot", "p") == {(False, False)}


def test_the_loss_of_patches_is_a_mean_over_all_images_masked_or_not() -> None:
    method, module = tiny("ibot")
    module.cp.center.normal_()
    views = toy_views(method)
    for mask in views["mask"]:
        mask[::2] = False
    out = module(views, keep=["hp", "htp"])
    total = torch.zeros(())
    for student, teacher, mask in zip(out.values["hp"], out.values["htp"], views["mask"], strict=True):
        target = ((teacher - module.cp.center) / module.temperature(0)).softmax(dim=-1)
        each = -(target * F.log_softmax(student / 0.1, dim=-1)).sum(dim=-1)  # b n
        total = total + ((each * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)).mean() / 2
    assert any(mask.any() for mask in views["mask"])
    assert torch.allclose(out.losses["patch_loss"], total, rtol=1e-5)
    assert torch.allclose(out.loss, out.losses["loss"] + out.losses["patch_loss"])


def test_class_and_patch_tokens_have_centres_of_their_own_over_all_tokens() -> None:
    graph = nodes("ibot")
    assert (taken("ibot", "c", "x"), taken("ibot", "cp", "x")) == (["ht"], ["htp"])
    assert graph["c"].attrs["momentum"] == graph["cp"].attrs["momentum"] == 0.9
    assert "mask" not in graph["cp"].inputs, "masked or not"
    method, module = tiny("ibot")
    out = module(toy_views(method), keep=["ht", "htp"])
    module.commit("after_step", 0)
    moved = 1 - module.c.momentum
    assert module.cp.momentum == module.c.momentum
    assert torch.allclose(module.cp.center, moved * torch.stack(out.values["htp"]).mean(dim=(0, 1, 2)), atol=1e-6)
    assert torch.allclose(module.c.center, moved * torch.stack(out.values["ht"]).mean(dim=(0, 1)), atol=1e-6)


def test_both_targets_have_dinos_temperature() -> None:
    expected = attrs("dino", "p")["temperature"]
    assert attrs("ibot", "p")["temperature"] == attrs("ibot", "pp")["temperature"] == expected


def test_half_of_the_large_crops_have_blocks_of_a_tenth_to_a_half_hidden() -> None:
    mask = nodes("ibot")["mask"]
    assert (mask.op.name, mask.attrs["ratio"], mask.attrs["share"]) == ("block_mask", (0.1, 0.5), 0.5)
    assert (mask.attrs["patch"], mask.attrs["stratified"], mask.attrs["start"]) == (16, False, None)
    assert (mask.attrs["min_block"], mask.attrs["max_block"]) == (None, 1.0)


def test_masks_may_be_of_single_patches_and_may_begin_later() -> None:
    method = graphssl.load("ibot", {"nodes.mask.op": "random_mask", "nodes.mask.start": "50ep"})
    mask = method.checked_graph().nodes["mask"]
    assert (mask.op.name, str(mask.attrs["start"])) == ("random_mask", "50ep")


@pytest.mark.parametrize("variant", ["", "@ep300", "@ep800"])
def test_ibot_is_trained_and_augmented_as_dino(variant: str) -> None:
    ours, theirs = recipe(f"ibot{variant}"), recipe(f"dino{variant}")
    keys = ("optimizer", "optimizer_args", "lr", "lr_per", "lr_scale", "weight_decay", "clip_norm", "clip_scope", "epochs",
            "batch_size", "precision")  # fmt: skip
    assert {key: getattr(ours, key) for key in keys} == {key: getattr(theirs, key) for key in keys}
    assert [g.name for g in ours.groups] == [g.name for g in theirs.groups]
    for node in ("large", "small"):
        assert attrs(f"ibot{variant}", node) == attrs(f"dino{variant}", node)
    for slow in ("ft", "ht"):
        assert attrs(f"ibot{variant}", slow) == attrs(f"dino{variant}", slow)


def test_the_published_run_of_800_epochs_has_ten_small_crops() -> None:
    assert (recipe("ibot@ep800").epochs, recipe("ibot@ep800").batch_size) == (800, 1024)
    assert attrs("ibot@ep800", "small")["count"] == 10
    assert dict(attrs("ibot@ep800", "small")["steps"])["crop"]["scale"] == [0.05, 0.25]
    assert {tuple(dict(view)["crop"]["scale"]) for view in attrs("ibot@ep800", "large")["views"]} == {(0.25, 1.0)}
