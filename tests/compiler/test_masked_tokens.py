"""A loss on masked tokens: the masks go with the views of the prediction, and choose what is centred."""

from __future__ import annotations

import torch

import graphssl
from graphssl.ops.cross_entropy import soft_cross_entropy

TEXT = """
graphssl: 1
name: tiny
nodes:
  v: {op: augment, recipe: quick, size: 16, count: 2}
  w: {op: augment, recipe: quick, size: 8}
  f:
    op: encoder
    in: [v, w]
    arch: vit_tiny_patch16_224
    args: {patch_size: 4, embed_dim: 8, depth: 1, num_heads: 2, dynamic_img_size: true}
  h: {op: prototypes, in: f.patch, hidden: [8], bottleneck: 4, count: 5}
  ft: {op: ema, of: f, in: v, momentum: 0.9}
  ht: {op: ema, of: h, in: ft.patch, momentum: 0.9}
  m: {op: positive, in: ft.patch}
  c: {op: center, in: {mask: m, x: ht}}
  p: {op: softmax, in: c, temperature: 0.05}
  loss: {op: soft_cross_entropy, in: {mask: m, prediction: h, target: p}, pairs: [[0, 0], [1, 1]]}
represent: f
train: {optimizer: adamw, lr: 1e-3, epochs: 1, batch_size: 8}
"""
PLUGINS = ["tests.compiler.masking_ops"]


def test_each_view_has_its_mask() -> None:
    method = graphssl.load(TEXT, plugins=PLUGINS)
    assert not [f for f in method.findings if f.severity == "error"], method.findings
    torch.manual_seed(0)
    module = graphssl.compile(method)
    views = {"v": list(torch.randn(2, 3, 3, 16, 16)), "w": torch.randn(3, 3, 8, 8)}
    out = module(views, keep=["h", "ht", "m", "p"])
    h, p, m = out.values["h"], out.values["p"], out.values["m"]
    terms = [soft_cross_entropy(h[i], p[i], m[i], temperature=0.1) for i in range(2)]
    assert torch.allclose(out.loss, sum(terms) / 2)
    module.commit("after_step", 0)
    picked = torch.cat([x[mask] for x, mask in zip(out.values["ht"], m, strict=True)])
    assert torch.allclose(module.c.center, 0.1 * picked.mean(dim=0), atol=1e-7)


def test_masks_of_too_few_views_are_an_error() -> None:
    text = TEXT.replace("pairs: [[0, 0], [1, 1]]", "pairs: all")  # the third view of the prediction has none
    findings = graphssl.load(text, plugins=PLUGINS).findings
    assert [f.code for f in findings if f.severity == "error"] == ["list-lengths"]
