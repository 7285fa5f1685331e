"""Parameter groups, schedules and clipping as the recipe says."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import graphssl
from graphssl.runtime.errors import RunError
from graphssl.runtime.optim import Optimizers, optimizer_class


def made(train: str, steps: int = 100, per_epoch: int = 10) -> tuple[torch.nn.Module, Optimizers]:
    text = f"""
graphssl: 1
name: tiny
nodes:
  v: {{op: augment, recipe: quick, size: 32}}
  w: {{op: augment, recipe: quick, size: 32}}
  f: {{op: encoder, in: [v, w], arch: resnet18, args: {{channels: [8, 8, 8, 8]}}, batch: joint}}
  g: {{op: projector, in: f, dims: [8, 8], batch: joint}}
  loss: {{op: nt_xent, in: g}}
  y: {{op: label}}
  probe: {{op: linear_probe, in: {{features: f, label: y}}, classes: 10}}
represent: f
train: {{epochs: 10, batch_size: 16, {train}}}
"""
    method = graphssl.load(text)
    module = graphssl.compile(method, steps=steps, steps_per_epoch=per_epoch)
    graph = method.checked_graph()
    assert graph.train
    return module, Optimizers(module, graph, graph.train, steps, per_epoch)


def group_of(optimizers: Optimizers, parameter: torch.Tensor) -> dict[str, Any]:
    return next(g for g in optimizers.main.param_groups if any(p is parameter for p in g["params"]))


def test_every_parameter_is_in_one_group_and_observers_have_their_own_optimizer() -> None:
    module, optimizers = made("optimizer: adamw, lr: 0.1, groups: {n: {match: [bias, norm], weight_decay: 0}}")
    ours = [id(p) for g in optimizers.main.param_groups for p in g["params"]]
    theirs = [id(p) for o in optimizers.all()[1:] for g in o.param_groups for p in g["params"]]
    assert len(set(ours)) == len(ours)
    assert set(ours) | set(theirs) == {id(p) for p in module.parameters()}
    assert set(theirs) == {id(p) for p in module.probe.parameters()}


def test_rules_and_schedules_set_lr_and_decay_each_step() -> None:
    module, optimizers = made(
        "optimizer: adamw, lr: {base: 0.1, warmup: 1ep}, weight_decay: {linear: {from: 0, to: 1}}, "
        "groups: {n: {match: [norm], weight_decay: 0}, head: {node: g, lr_scale: 0.5}}"
    )
    for step, lr in ((0, 0.0), (5, 0.05), (10, 0.1)):
        optimizers.schedule(step)
        conv = group_of(optimizers, module.f.conv1.weight)
        norm = group_of(optimizers, module.f.bn1.weight)
        head = group_of(optimizers, module.g.last.weight)
        assert conv["lr"] == pytest.approx(lr) and head["lr"] == pytest.approx(lr / 2)
        assert conv["weight_decay"] == pytest.approx(step / 100) and norm["weight_decay"] == 0


def test_a_group_frozen_as_no_grad_or_lr_zero_does_not_move_before_its_time() -> None:
    for how, moments in (("no_grad", False), ("lr_zero", True)):
        module, optimizers = made(
            f"optimizer: adamw, lr: 0.1, groups: {{last: {{node: g.last, freeze_until: 1ep, frozen_as: {how}}}}}"
        )
        before = module.g.last.weight.clone()
        for step, moved in ((0, False), (9, False), (10, True)):
            optimizers.schedule(step)
            for parameter in module.parameters():
                parameter.grad = torch.ones_like(parameter)
            optimizers.drop_frozen(step)
            optimizers.main.step()
            assert torch.equal(before, module.g.last.weight) is not moved
            if step == 9:
                assert (module.g.last.weight in optimizers.main.state) is moments


@pytest.mark.parametrize("scope", ["parameter", "node", "global"])
def test_clipping_bounds_the_norm_in_its_scope_and_leaves_observers_alone(scope: str) -> None:
    module, optimizers = made(f"optimizer: adamw, lr: 0.1, clip: {{norm: 1.0, scope: {scope}}}")
    for parameter in module.parameters():
        parameter.grad = torch.full_like(parameter, 10.0)
    optimizers.clip()
    assert module.probe.linear.weight.grad.max() == 10.0

    def norm(parameters: Any) -> float:
        return float(torch.stack([p.grad.norm() for p in parameters]).norm())

    each = {
        "parameter": [[p] for n in ("f", "g") for p in getattr(module, n).parameters()],
        "node": [list(module.f.parameters()), list(module.g.parameters())],
        "global": [[*module.f.parameters(), *module.g.parameters()]],
    }[scope]
    assert all(norm(parameters) == pytest.approx(1.0, rel=1e-3) for parameters in each)


def test_clipping_each_parameter_gives_the_numbers_of_torch() -> None:
    module, optimizers = made("optimizer: adamw, lr: 0.1, clip: {norm: 0.5, scope: parameter}")
    for i, member in enumerate(optimizers.members):
        member.parameter.grad = torch.randn_like(member.parameter) * 10.0 ** (i % 5 - 3)
    optimizers.members[3].parameter.grad = None
    expected = {}
    for name, parameter in module.named_parameters():
        if parameter.grad is not None:
            alone = torch.nn.Parameter(torch.empty_like(parameter))
            alone.grad = parameter.grad.clone()
            torch.nn.utils.clip_grad_norm_([alone], 0.5)
            expected[name] = alone.grad
    optimizers.clip()
    assert len(expected) > 20
    for name, gradient in expected.items():
        assert torch.equal(module.get_parameter(name).grad, gradient), name  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_the_fused_optimizer_takes_the_steps_of_the_plain_one_and_goes_on_from_its_state(name: str) -> None:
    """Its weights lie in memory as in a run, and its gradients as autograd lays them."""
    ended = []
    for kinds in (("{}", "{}"), ("{}", "{foreach: false}"), ("{foreach: false}", "{}")):
        torch.manual_seed(0)
        saved: dict[str, Any] | None = None
        weights: dict[str, torch.Tensor] = {}
        for arguments in kinds:
            module, optimizers = made(f"optimizer: {{name: {name}, {arguments[1:-1]}}}, lr: 0.01, weight_decay: 0.1")
            module.double().to(memory_format=torch.channels_last)
            if saved:
                module.load_state_dict(weights)
                optimizers.main.load_state_dict(saved)
            for step in range(3):
                optimizers.schedule(step)
                module.zero_grad()
                images = torch.linspace(-1, step, 2 * 4 * 3 * 32 * 32, dtype=torch.float64).sin().view(2, 4, 3, 32, 32)
                module({"v": images[0], "w": images[1], "y": torch.zeros(4).long()}, step).loss.backward()
                optimizers.main.step()
            weights, saved = module.state_dict(), optimizers.main.state_dict()
            assert bool(optimizers.main.defaults.get("fused")) is (arguments == "{}")
        ended.append(weights)
    for other in ended[1:]:
        for key, value in ended[0].items():
            assert other[key].double().numpy() == pytest.approx(value.double().numpy(), rel=1e-6, abs=1e-9), key


def test_optimizers_are_found_in_torch_and_timm_and_unknown_ones_get_a_suggestion() -> None:
    assert optimizer_class("adamw") is torch.optim.AdamW
    assert optimizer_class("lars").__name__ == "Lars"
    with pytest.raises(RunError, match="write `adam`"):
        optimizer_class("adamv")


def test_lars_leaves_out_what_has_no_decay() -> None:
    """timm's Lars adapts only parameters with weight decay, which is the authors' exclusion of bias and norm."""
    module, optimizers = made(
        "optimizer: {name: lars, momentum: 0.9}, lr: 1.0, weight_decay: 1.0e-6, "
        "groups: {n: {match: [bias, norm], weight_decay: 0}}"
    )
    optimizers.schedule(0)
    before = {n: p.detach().clone() for n, p in module.named_parameters()}
    for parameter in module.parameters():
        parameter.grad = torch.full_like(parameter, 0.1)
    optimizers.main.step()
    after = {n: p.detach() for n, p in module.named_parameters()}
    assert torch.allclose(before["f.bn1.bias"] - after["f.bn1.bias"], torch.full((64,), 0.1))
    moved = (before["f.conv1.weight"] - after["f.conv1.weight"]).norm().item()
    assert moved == pytest.approx(1e-3 * before["f.conv1.weight"].norm().item(), rel=1e-2)


def test_layer_decay_shrinks_the_rate_towards_the_input() -> None:
    module, optimizers = made("optimizer: adamw, lr: 1.0, layer_decay: 0.5")
    optimizers.schedule(0)
    rates = [group_of(optimizers, p)["lr"] for p in (module.f.conv1.weight, module.f.layer4[1].conv2.weight)]
    assert rates[0] < rates[1] <= 1.0
    assert group_of(optimizers, module.g.last.weight)["lr"] == 1.0
