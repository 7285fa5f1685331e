"""What methods change in a vision transformer: mask token, positions, weights, frozen parts; and graphs that use it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import graphssl
from graphssl.ops.modules.encoder import encoder, take
from graphssl.ops.modules.lists import by_size, joint
from graphssl.ops.modules.vit import sincos_positions

TINY = {"patch_size": 8, "depth": 2, "embed_dim": 24, "num_heads": 2}
GRAPH = """
graphssl: 1
name: masked
nodes:
  whole: {op: augment, recipe: quick, size: 32, count: 2}
  local: {op: augment, recipe: quick, size: 16, count: 3}
  mask: {op: block_mask, in: whole, patch: 8, ratio: [0.3, 0.5]}
  f: {op: encoder, in: {mask: mask, image: whole}, arch: vit_tiny_patch16_224, batch: joint,
      args: {patch_size: 8, depth: 2, embed_dim: 24, num_heads: 2}}
  fl: {op: share, of: f, in: local}
  ft: {op: ema, of: f, in: whole, momentum: 0.9, drop_path: 0.1}
  g: {op: predictor, in: f.cls, dims: [32, 24]}
  gl: {op: share, of: g, in: fl}
  loss: {op: cosine_loss, in: {prediction: [g, gl], target: ft.cls}, pairs: other_view}
  s: {op: take_masked, in: {tokens: f.patch, mask: mask}, room: 0.5}
  t: {op: take_masked, in: {tokens: ft.patch, mask: mask}, room: 0.5}
  h: {op: predictor, in: s, dims: [16, 24]}
  patch: {op: cosine_loss, in: {prediction: h, target: t}, pairs: same}
represent: f.cls
train: {optimizer: adamw, lr: 1e-3, epochs: 2, batch_size: 16}
"""


def vit(**more: Any) -> Any:
    torch.manual_seed(0)
    return encoder("vit_tiny_patch16_224", image_sizes=more.pop("image_sizes", [32]), args=TINY, **more)


def by_hand(model: Any, x: Tensor, mask: Tensor) -> Tensor:
    """Tokens of a masked forward, patch by patch."""
    rows = []
    for image, hidden in zip(x, mask, strict=True):
        tokens = model.patch_embed(image[None])[0]
        row = [model.mask_token[0] if hide else token for token, hide in zip(tokens, hidden, strict=True)]
        rows.append(torch.stack([model.cls_token[0, 0], *row]) + model.pos_embed[0])
    return model.norm(model.blocks(torch.stack(rows)))


def test_hidden_patches_enter_as_the_mask_token() -> None:
    model = vit(masked=True).double()
    assert model.mask_token.shape == (1, 24) and not model.mask_token.any()
    nn.init.normal_(model.mask_token)
    x, mask = torch.randn(3, 3, 32, 32, dtype=torch.float64), torch.rand(3, 16) < 0.4
    out = take(model, x, "pooled", "cls", "patch", "map", "blocks.-1", "blocks.0", "blocks.-1.cls", mask=mask)
    expected = by_hand(model, x, mask)
    torch.testing.assert_close(out["cls"], expected[:, 0])
    torch.testing.assert_close(out["patch"], expected[:, 1:])
    torch.testing.assert_close(out["blocks.-1"], expected[:, 1:])
    torch.testing.assert_close(out["blocks.-1.cls"], expected[:, 0])
    torch.testing.assert_close(out["pooled"], expected[:, 0])
    assert out["map"].shape == (3, 24, 4, 4) and out["blocks.0"].shape == (3, 16, 24)
    hidden = x.clone()
    hidden[0, :, :8, 8:16] += 1  # patch 1 of image 0
    mask[0, 1] = True
    again = [take(model, image, "patch", mask=mask)["patch"] for image in (x, hidden)]
    assert torch.equal(*again)  # what is hidden is not seen


def test_a_mask_that_hides_nothing_changes_nothing() -> None:
    model, x = vit(masked=True, image_sizes=[32, 16]), torch.randn(2, 3, 32, 32)
    nothing = torch.zeros(2, 16, dtype=torch.bool)
    for port in ("pooled", "patch", "blocks.0"):
        torch.testing.assert_close(take(model, x, port, mask=nothing)[port], take(model, x, port)[port])


def test_a_mask_of_another_patch_size_says_so() -> None:
    with pytest.raises(ValueError, match="the mask has 4 patches and the model 16: give both the same `patch` size"):
        take(vit(masked=True), torch.randn(2, 3, 32, 32), "cls", mask=torch.zeros(2, 4, dtype=torch.bool))


def test_sincos_positions_are_those_of_row_and_column() -> None:
    table = sincos_positions((2, 3), 8)
    for row in range(2):
        for column in range(3):
            angles = [(row, 1.0), (row, 0.01), (column, 1.0), (column, 0.01)]
            s = [math.sin(place * w) for place, w in angles]
            c = [math.cos(place * w) for place, w in angles]
            expected = torch.tensor([*s[:2], *c[:2], *s[2:], *c[2:]], dtype=torch.float64)
            torch.testing.assert_close(table[row * 3 + column], expected)
    model = vit(positions="sincos")
    assert not model.pos_embed.requires_grad and not model.pos_embed[0, 0].any()
    torch.testing.assert_close(model.pos_embed[0, 1:].double(), sincos_positions((4, 4), 24), atol=1e-6, rtol=0)


def test_xavier_weights_keep_within_the_bounds_of_each_matrix() -> None:
    model = vit(weight_init="xavier").requires_grad_(False)
    qkv = math.sqrt(6 / (24 + 24))  # each of the three by itself
    for part in model.blocks[0].attn.qkv.weight.chunk(3):
        assert 0.95 * qkv < float(part.abs().max()) <= qkv
    patches = math.sqrt(6 / (3 * 8 * 8 + 24))
    assert 0.95 * patches < float(model.patch_embed.proj.weight.abs().max()) <= patches
    mlp = math.sqrt(6 / (24 + 96))
    assert 0.95 * mlp < float(model.blocks[1].mlp.fc1.weight.abs().max()) <= mlp
    assert not any(p.any() for n, p in model.named_parameters() if n.endswith("bias"))
    assert 0 < float(model.cls_token.abs().max()) < 1e-5


def counts(**more: Any) -> tuple[int, int]:
    with torch.device("meta"):
        model = encoder("vit_small_patch16_224", **more)
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return sum(n for n, _ in sizes), sum(n for n, trained in sizes if trained)


def test_parameter_counts_of_vit_small() -> None:
    d, layers, patches = 384, 12, 196
    block = 2 * 2 * d + (3 * d * d + 3 * d) + (d * d + d) + (4 * d * d + 4 * d) + (4 * d * d + d)
    projection, positions = 3 * 16 * 16 * d + d, (patches + 1) * d
    whole = projection + positions + d + layers * block + 2 * d
    assert counts() == (whole, whole) == (21_665_664, 21_665_664)
    assert counts(masked=True)[1] == whole + d
    moco_v3: dict[str, Any] = {"positions": "sincos", "weight_init": "xavier", "args": {"num_heads": 12}}
    assert counts(**moco_v3, freeze=["patch_embed"]) == (whole, whole - projection - positions)
    assert (projection, positions) == (295_296, 75_648)


def test_frozen_parts_are_named_exactly() -> None:
    names = {n for n, p in vit(freeze=["blocks.1.attn", "cls_token"]).named_parameters() if not p.requires_grad}
    assert names == {"cls_token"} | {f"blocks.1.attn.{m}.{p}" for m in ("qkv", "proj") for p in ("weight", "bias")}
    with pytest.raises(ValueError, match="has no part 'patch' to freeze; it has cls_token, pos_embed, patch_embed"):
        vit(freeze=["patch"])


@pytest.mark.parametrize("more", [{"masked": True}, {"positions": "sincos"}, {"weight_init": "xavier"}])
def test_other_models_refuse_what_transformers_have(more: dict[str, Any]) -> None:
    with torch.device("meta"), pytest.raises(ValueError, match="need a plain vision transformer, and ResNet is none"):
        encoder("resnet18", **more)


def test_lists_that_belong_together_are_joined_alike() -> None:
    views = [torch.full((2, 1, s, s), float(i)) for i, s in enumerate((4, 4, 2))]
    masks = [torch.full((2, 1), 10.0 * i) for i in range(3)]
    calls = []

    def call(x: Tensor, mask: Tensor) -> dict[str, Tensor]:
        calls.append(len(x))
        return {"sum": x.mean((1, 2, 3))[:, None] + mask}

    assert [out["sum"][0].item() for out in by_size(call, views, masks)] == [0, 11, 22] and calls == [4, 2]
    assert [out["sum"].shape for out in joint(call, views[:2], masks[:2])] == [(2, 1)] * 2


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> Any:
    file = tmp_path_factory.mktemp("graphs") / "masked.yaml"
    file.write_text(GRAPH)
    return graphssl.load(str(file))


def test_a_masked_student_with_unmasked_local_views_is_a_graph_without_findings(masked: Any) -> None:
    assert [f.to_text() for f in masked.findings] == []
    graph = masked.checked_graph()
    assert str(graph.nodes["mask"].outputs["mask"]) == "2 × mask[b 16]"
    assert [value.view for value in graph.nodes["mask"].outputs["mask"].values] == ["whole.0", "whole.1"]


def test_it_computes_what_it_says_and_moves_its_teacher(masked: Any) -> None:
    module = graphssl.compile(masked, steps=10, steps_per_epoch=5)
    torch.manual_seed(0)
    mask = [torch.rand(4, 16) < 0.4 for _ in range(2)]
    views = {"whole": [torch.randn(4, 3, 32, 32) for _ in range(2)],
             "local": [torch.randn(4, 3, 16, 16) for _ in range(3)], "mask": mask}  # fmt: skip
    nn.init.normal_(module.f.mask_token)
    out = module(views, step=0, keep=["f.patch", "ft.patch", "s", "fl"])
    packed = []
    for i in range(2):
        expected = by_hand_dynamic(module.f, views["whole"][i], mask[i])
        torch.testing.assert_close(out.values["f.patch"][i], expected, atol=1e-5, rtol=1e-4)
        packed.append(expected[mask[i]])
    rows = torch.cat(packed)
    torch.testing.assert_close(out.values["s"][: len(rows)], rows, atol=1e-5, rtol=1e-4)
    out.loss.backward()
    assert module.f.mask_token.grad.any() and len(out.values["fl"]) == 3
    assert "mask_token" in dict(module.ft.named_parameters()) and not module.ft.mask_token.any()
    module.commit("after_step", 0)
    torch.testing.assert_close(module.ft.mask_token, 0.1 * module.f.mask_token)
    module.eval()
    torch.testing.assert_close(module.represent(views["whole"][0]), take(module.f, views["whole"][0], "cls")["cls"])


def by_hand_dynamic(model: Any, x: Tensor, mask: Tensor) -> Tensor:
    """Patch tokens of a model for several sizes, at its own size."""
    tokens = model.patch_embed(x).flatten(1, 2)
    tokens = torch.where(mask[..., None], model.mask_token, tokens)
    tokens = torch.cat([model.cls_token.expand(len(x), -1, -1), tokens], dim=1) + model.pos_embed
    return model.norm(model.blocks(tokens))[:, 1:]
