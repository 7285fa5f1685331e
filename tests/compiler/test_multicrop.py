"""A student of large and small views, and a centred, sharpened teacher of the large ones, from text to training."""

from __future__ import annotations

from typing import Any

import torch

import graphssl
from graphssl.runtime.optim import Optimizers

TEXT = """
graphssl: 1
name: tiny
schedules:
  tau: {cosine: {from: 0.9, to: 1}}
nodes:
  large: {op: augment, views: [quick, quick], size: 16}
  small: {op: augment, recipe: quick, count: 2, size: 8}
  f:
    op: encoder
    in: [large, small]
    batch: by_size
    arch: vit_tiny_patch16_224
    drop_path: 0.1
    args: {patch_size: 4, embed_dim: 16, depth: 1, num_heads: 2, dynamic_img_size: true}
  h: {op: prototypes, in: f, batch: by_size, hidden: [32, 32], bottleneck: 8, count: 24}
  ft: {op: ema, of: f, in: large, momentum: "${schedules.tau}", drop_path: 0}
  ht: {op: ema, of: h, in: ft, momentum: "${schedules.tau}"}
  c: {op: center, in: ht}
  p: {op: softmax, in: c, temperature: {linear: {from: 0.04, to: 0.07, over: 2ep}, then: 0.07, every: epoch}}
  loss: {op: soft_cross_entropy, in: {prediction: h, target: p}, temperature: 0.1, pairs: other_view}
represent: f
train:
  optimizer: adamw
  lr: {base: 5e-3, then: 5e-3}
  weight_decay: {cosine: {from: 0.04, to: 0.4}}
  groups:
    last: {node: h.last_layer, freeze_until: 1ep}
    no_decay: {match: [bias, norm], weight_decay: 0}
  clip: {norm: 3.0, scope: parameter}
  epochs: 3
  batch_size: 8
"""
STEPS, EPOCH = 15, 5


def views(seed: int = 0) -> dict[str, Any]:
    """Eight images, whose views are they themselves with a little noise."""
    images = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    noise = torch.Generator().manual_seed(seed)
    large = [images + 0.1 * torch.randn(images.shape, generator=noise) for _ in range(2)]
    return {"large": large, "small": [images[..., :8, :8], images[..., 8:, 8:]]}


def compiled(text: str = TEXT) -> torch.nn.Module:
    torch.manual_seed(0)
    return graphssl.compile(graphssl.load(text), steps=STEPS, steps_per_epoch=EPOCH)


def trained(module: torch.nn.Module, optimizers: Optimizers, steps: range, hold: bool = False) -> list[float]:
    """Losses of some steps; `hold` leaves teacher, centre, images and temperature as they are."""
    losses = []
    for step in steps:
        torch.manual_seed(step)
        out = module(views(0 if hold else step), steps[0] if hold else step)
        out.loss.backward()
        optimizers.schedule(step)
        optimizers.clip()
        optimizers.drop_frozen(step)
        optimizers.main.step()
        optimizers.main.zero_grad()
        if hold:
            module.discard()
        else:
            module.commit("after_step", step)
        losses.append(out.loss.item())
    return losses


def test_it_checks_clean() -> None:
    assert graphssl.load(TEXT).findings == []


def test_it_trains_the_centre_moves_and_the_last_layer_waits_for_its_epoch() -> None:
    method, module = graphssl.load(TEXT), compiled()
    graph = method.checked_graph()
    assert graph.train
    optimizers = Optimizers(module, graph, graph.train, STEPS, EPOCH)
    last = {m.name for m in optimizers.members if m.rule and m.rule.name == "last"}
    assert last == {f"h.last_layer.parametrizations.weight.original{i}" for i in (0, 1)}
    start = {name: p.clone() for name, p in module.named_parameters()}
    losses = trained(module, optimizers, range(EPOCH))
    now = dict(module.named_parameters())
    assert all(torch.equal(now[name], start[name]) for name in last)
    assert not any(torch.equal(now[name], start[name]) for name in ("h.mlp.last.weight", "ht.mlp.last.weight"))
    centre = module.c.center.clone()
    assert centre.abs().max() > 0
    losses += trained(module, optimizers, range(EPOCH, STEPS))
    assert not torch.equal(module.c.center, centre)
    assert all(not torch.equal(p, start[name]) for name, p in module.named_parameters() if name in last)
    assert torch.tensor(losses).isfinite().all(), losses


def test_the_loss_falls_towards_targets_that_are_held() -> None:
    """While they move, the loss need not fall: centring raises the entropy of the targets, which bounds it from below."""
    method, module = graphssl.load(TEXT), compiled()
    graph = method.checked_graph()
    assert graph.train
    optimizers = Optimizers(module, graph, graph.train, STEPS, EPOCH)
    trained(module, optimizers, range(10))
    held = trained(module, optimizers, range(10, STEPS), hold=True)
    assert held[-1] < 0.9 * held[0], held


def test_the_target_is_centred_with_the_mean_from_before_the_step() -> None:
    module = compiled()
    for step in range(2):
        before = module.c.center.clone()
        out = module(views(step), step, keep=["ht", "p"])
        for logits, target in zip(out.values["ht"], out.values["p"], strict=True):
            assert torch.allclose(target, ((logits - before) / 0.04).softmax(dim=1))
            assert not target.requires_grad
        assert torch.equal(module.c.center, before)
        module.commit("after_step", step)
        mean = torch.cat(out.values["ht"]).mean(dim=0)
        assert torch.allclose(module.c.center, 0.9 * before + 0.1 * mean, atol=1e-7)


def test_micro_batches_move_the_centre_once_and_what_is_discarded_or_evaluated_not_at_all() -> None:
    module = compiled()
    module(views())
    module.discard()
    module.commit("after_step", 0)
    module.eval()
    module(views())
    module.commit("after_step", 0)
    assert not module.c.center.any()
    module.train()
    seen = [module(views(seed), keep=["ht"]).values["ht"] for seed in range(2)]
    module.commit("after_step", 0)
    assert torch.allclose(module.c.center, 0.1 * torch.cat([x for ht in seen for x in ht]).mean(dim=0), atol=1e-7)


def test_a_saved_state_goes_on_bit_for_bit() -> None:
    module = compiled()
    module(views())
    module.commit("after_step", 0)
    other = compiled()
    other.load_state_dict(module.state_dict())
    losses = []
    for each in (module, other):
        torch.manual_seed(1)
        losses.append(each(views(1), 1).loss)
        each.commit("after_step", 1)
    assert torch.equal(*losses)
    assert torch.equal(module.c.center, other.c.center)


def test_the_views_of_a_list_are_balanced_apart_or_together() -> None:
    written = TEXT.replace("  c: {op: center, in: ht}\n", "").replace(
        "p: {op: softmax, in: c", "p: {op: sinkhorn, in: ht"
    )
    apart = compiled(written)
    together = compiled(written.replace("op: sinkhorn,", "op: sinkhorn, batch: joint,"))
    assert graphssl.load(written).findings == []
    assert "for x in ht]" in apart.source and "joint(lambda x: sinkhorn(x, " in together.source
    alone, both = (module(views(), keep=["p"]).values["p"] for module in (apart, together))
    assert [p.shape for p in alone] == [p.shape for p in both] == [(8, 24)] * 2
    assert not torch.allclose(alone[0], both[0])
