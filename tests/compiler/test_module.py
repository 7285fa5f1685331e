"""The compiled module: its interface, its state, and what it never does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import graphssl
from tests.conftest import METHODS, toy_views


def compiled(method: Any, seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return graphssl.compile(method, steps=10, steps_per_epoch=5)


def state_of(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same_state(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("name", METHODS)
def test_parameter_and_buffer_names_begin_with_node_names(name: str, toy: Callable[..., Any]) -> None:
    method = toy(name)
    nodes = set(method.checked_graph().nodes)
    assert {key.partition(".")[0] for key in compiled(method).state_dict()} <= nodes


@pytest.mark.parametrize("name", METHODS)
def test_a_step_gives_total_losses_and_kept_values(name: str, toy: Callable[..., Any]) -> None:
    method = toy(name)
    out = compiled(method)(toy_views(method), step=0, keep=["f", "loss"])
    weights = {node.name: node.attrs["weight"] for node in method.checked_graph().losses()}
    total = sum(weights[key] * value for key, value in out.losses.items())
    assert torch.allclose(out.loss, total)
    assert set(out.values) == {"f", "loss"}
    assert out.values["loss"] is out.losses["loss"]


@pytest.mark.parametrize("name", METHODS)
def test_teachers_never_get_gradient(name: str, toy: Callable[..., Any]) -> None:
    method = toy(name)
    module = compiled(method)
    module(toy_views(method)).loss.backward()
    teachers = [node.name for node in method.checked_graph() if node.kind == "link"]
    for parameter, value in module.named_parameters():
        if parameter.partition(".")[0] in teachers:
            assert not value.requires_grad
            assert value.grad is None
        else:
            assert (value.grad is not None) is value.requires_grad, parameter  # fixed positions have none


@pytest.mark.parametrize("name", METHODS)
def test_evaluation_changes_no_state(name: str, toy: Callable[..., Any]) -> None:
    method = toy(name)
    module = compiled(method).eval()
    before = state_of(module)
    with torch.no_grad():
        module(toy_views(method))
        module.represent(torch.randn(3, 3, 32, 32))
    assert same_state(before, state_of(module))
    assert not any(getattr(part, "staged", []) for part in module.modules())


@pytest.mark.parametrize("name", ["moco_v1", "moco_v2"])
def test_a_positive_is_never_among_its_negatives(name: str, toy: Callable[..., Any]) -> None:
    method = toy(name)
    module = compiled(method)
    seen: list[torch.Tensor] = []
    for step in range(12):
        module.commit("before_forward", step)
        out = module(toy_views(method, seed=step), step=step, keep=["zk", "queue"])
        keys, queue = out.values["zk"], out.values["queue"]
        assert (keys @ queue.T).max() < 1 - 1e-5, "a fresh key stands in the queue that it is compared with"
        seen.append(keys.detach().clone())
        module.commit("after_step", step)
        rows = module.queue()
        newest = torch.cat(seen)[-len(rows) :]
        assert torch.allclose((newest @ rows.T).max(dim=1).values, torch.ones(len(newest)), atol=1e-5)


def test_the_slow_copy_moves_at_its_declared_moment(toy: Callable[..., Any]) -> None:
    for name, moment, other, momentum in (
        ("moco_v2", "before_forward", "after_step", 0.99),
        ("byol", "after_step", "before_forward", 0.95),
    ):
        method = toy(name)
        module = compiled(method)
        fast, slow = ("f", "fk") if name == "moco_v2" else ("f", "ft")
        with torch.no_grad():
            for parameter in getattr(module, fast).parameters():
                parameter.add_(1.0)
        before = [p.clone() for p in getattr(module, slow).parameters()]
        module.commit(other, 0)
        assert all(torch.equal(a, b) for a, b in zip(before, getattr(module, slow).parameters(), strict=True))
        module.commit(moment, 0)
        for a, b in zip(before, getattr(module, slow).parameters(), strict=True):
            assert torch.allclose(b - a, torch.full_like(a, 1.0 - momentum), atol=1e-5)


def test_a_discarded_step_writes_nothing(toy: Callable[..., Any]) -> None:
    method = toy("moco_v2")
    module = compiled(method)
    before = module.queue().clone()
    module(toy_views(method))
    module.discard()
    module.commit("after_step", 0)
    assert torch.equal(before, module.queue())


def test_the_online_probe_never_touches_the_method(toy: Callable[..., Any]) -> None:
    method = toy("byol")
    module = compiled(method)
    views = toy_views(method)
    out = module(views)
    gradient = torch.autograd.grad(out.losses["probe"], list(module.f.parameters()), allow_unused=True)
    assert all(g is None for g in gradient)


def test_an_error_while_running_names_the_node_and_its_line(toy: Callable[..., Any]) -> None:
    method = toy("simsiam")
    module = compiled(method)
    views = toy_views(method)
    views["v1"] = views["v1"][:, :2]
    with pytest.raises(RuntimeError) as caught:
        module(views)
    note = caught.value.__notes__[0]
    assert "in node `f` (encoder)" in note
    assert "simsiam.yaml:" in note
    assert "^" in note


def test_random_init_makes_a_target_with_weights_of_its_own() -> None:
    method = graphssl.load(
        "byol@quick",
        {"nodes.ft.init": "random", "nodes.gt.init": "random", "nodes.ft.momentum": 1.0, "nodes.gt.momentum": 1.0,
         "nodes.f.args": {"channels": [8, 8, 8, 8]}},
    )  # fmt: skip
    module = compiled(method)
    assert not torch.equal(module.f.conv1.weight, module.ft.conv1.weight)
    before = state_of(module.ft)
    module.commit("after_step", 0)
    assert same_state(before, state_of(module.ft))


def test_overridden_attributes_change_the_copy_and_keep_its_weights() -> None:
    text = """
graphssl: 1
name: tiny
nodes:
  v: {op: augment, recipe: quick, size: 32}
  f: {op: encoder, in: v, arch: resnet18, drop_path: 0.3, args: {channels: [8, 8, 8, 8]}}
  t: {op: ema, of: f, in: v, momentum: 0.9, drop_path: 0.0, mode: eval}
  q: {op: predictor, in: f, dims: [8, 8]}
  loss: {op: cosine_loss, in: {prediction: q, target: t}}
represent: f
"""
    module = compiled(graphssl.load(text))
    rates = [m.drop_prob for m in module.modules() if type(m).__name__ == "DropPath"]
    assert rates and all(m.drop_prob == 0 for m in module.t.modules() if type(m).__name__ == "DropPath")
    assert torch.equal(module.f.conv1.weight, module.t.conv1.weight)
    module.train()
    assert module.f.training and not module.t.training


def test_schedules_reach_the_loss_as_numbers_of_the_step() -> None:
    text = """
graphssl: 1
name: tiny
nodes:
  v: {op: augment, recipe: quick, size: 32}
  w: {op: augment, recipe: quick, size: 32}
  f: {op: encoder, in: [v, w], arch: resnet18, args: {channels: [8, 8, 8, 8]}, batch: joint}
  loss: {op: nt_xent, in: f, temperature: {linear: {from: 0.5, to: 0.1}}, weight: {linear: {from: 0, to: 1}}}
represent: f
"""
    method = graphssl.load(text)
    module = compiled(method)
    views = toy_views(method)
    fixed = graphssl.compile(graphssl.load(text, {"nodes.loss.temperature": 0.3, "nodes.loss.weight": 0.5}))
    fixed.load_state_dict(module.state_dict())
    at_half, same = module(views, step=5), fixed(views, step=0)
    assert torch.allclose(at_half.loss, same.loss)
    assert module(views, step=0).loss.item() == 0.0
