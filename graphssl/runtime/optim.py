"""Optimizers by name, parameter groups by rule, and the values that schedules give them each step."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import timm.optim
import torch
from torch import nn
from torch.distributed.tensor import DTensor

from graphssl.ir.graph import Graph
from graphssl.language.schedule import Schedule
from graphssl.language.train import ParameterGroup, Train
from graphssl.runtime.errors import RunError
from graphssl.runtime.groups import NORMS, matches


def may_fuse(kind: Any, train: Train) -> bool:
    """Whether this class has an implementation that goes over the weights once: less than a third of AdamW's time on a CPU.

    Not for fp16: there a fused optimizer looks for overflows itself, and nobody hears of the step it skipped.
    """
    return issubclass(kind, torch.optim.Adam) and train.precision != "fp16"  # AdamW is one, too; SGD gains nothing


@dataclass(frozen=True)
class Member:
    """One trainable parameter: its full name, its node, and the first rule that matches it."""

    name: str
    node: str
    parameter: nn.Parameter
    rule: ParameterGroup | None
    lr_scale: float


def optimizer_class(name: str) -> Any:
    """The class of a torch or timm optimizer; torch's comes first where both have the name."""
    classes = {
        n.lower(): c
        for n, c in vars(torch.optim).items()
        if isinstance(c, type) and issubclass(c, torch.optim.Optimizer)
    }
    classes.pop("optimizer", None)
    if name.lower() in classes:
        return classes[name.lower()]
    if name.lower() in timm.optim.list_optimizers():
        return timm.optim.get_optimizer_class(name.lower(), bind_defaults=False)
    near = difflib.get_close_matches(name.lower(), [*classes, *map(str, timm.optim.list_optimizers())], n=1)
    raise RunError(f"there is no optimizer `{name}`" + (f": write `{near[0]}`" if near else ""))


def members(module: nn.Module, graph: Graph, train: Train) -> list[Member]:
    """Every trainable parameter of the method, observers left out."""
    nodes = {node.name.replace("/", "_"): node for node in graph}
    observers = {name for name, node in nodes.items() if node.op.observer}
    owners = dict(module.named_modules())
    scales = _layer_scales(module, graph, train.layer_decay)
    found = []
    for name, parameter in module.named_parameters():
        node = name.partition(".")[0]
        if not parameter.requires_grad or node in observers:
            continue
        owner = owners[name.rpartition(".")[0]]
        rule = next((r for r in train.groups if matches(r, node, name, parameter, owner)), None)
        scale = scales.get(name, 1.0) * nodes[node].signature.lr_scale(nodes[node].attrs, name.removeprefix(f"{node}."))
        found.append(Member(name, node, parameter, rule, scale))
    return found


def _layer_scales(module: nn.Module, graph: Graph, decay: float | None) -> dict[str, float]:
    """Learning-rate factor by parameter name: `decay` for an encoder's last block, its square for the one before, …

    What stands behind the blocks, a last norm, is scaled by 1 as heads are; tokens and positions belong to the stem, the lowest
    layer (BEiT, arXiv:2106.08254; DINOv2, dinov2/utils/param_groups.py). Layers are those of timm's grouping.
    """
    if decay is None:
        return {}
    from timm.models import group_parameters

    scales: dict[str, float] = {}
    for node in graph:
        name = node.name.replace("/", "_")
        encoder: Any = getattr(module, name, None)
        if node.op.name != "encoder" or not hasattr(encoder, "group_matcher"):
            continue
        found = group_parameters(encoder, encoder.group_matcher(coarse=False), reverse=True)
        layers = {key: layer if "." in key else 0 for key, layer in found.items()}
        last = max(layers.values())
        for key, layer in layers.items():
            behind = layer == last and isinstance(encoder.get_submodule(key.partition(".")[0]), NORMS)
            scales[f"{name}.{key}"] = 1.0 if behind else float(decay ** (last + 1 - layer))
    return scales


class Optimizers:
    """The method's optimizer, and one for observers; `schedule(step)` sets lr and weight decay."""

    def __init__(self, module: nn.Module, graph: Graph, train: Train, steps: int, steps_per_epoch: int):
        self.train = train
        self.lr = train.lr_curve(steps, steps_per_epoch)
        self.weight_decay = train.weight_decay.bind(steps, steps_per_epoch)
        self.members = members(module, graph, train)
        groups: dict[tuple[str, float], dict[str, Any]] = {}
        for member in self.members:
            rule = member.rule
            key = (rule.name if rule else "", member.lr_scale)
            if key not in groups:
                decay = rule.weight_decay if rule else None
                own = decay.bind(steps, steps_per_epoch) if isinstance(decay, Schedule) else None
                until = rule.freeze_until.steps(steps, steps_per_epoch) if rule and rule.freeze_until else 0
                scale = (rule.lr_scale if rule and rule.lr_scale is not None else 1.0) * member.lr_scale
                fixed = rule.weight_decay if rule and own is None else None
                groups[key] = {"params": [], "weight_decay": 0.0, "graphssl": (key[0], scale, own, fixed, until, rule)}
            groups[key]["params"].append(member.parameter)
        self.rules = [group.pop("graphssl") for group in groups.values()]
        self.main = self._create(list(groups.values()))
        self.observing = _observer_optimizer(module, graph, train)

    def _create(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        kind = optimizer_class(self.train.optimizer)
        arguments = {k: tuple(v) if isinstance(v, list) else v for k, v in self.train.optimizer_args.items()}
        if may_fuse(kind, self.train) and not arguments.keys() & {"foreach", "differentiable"}:
            arguments = {"fused": True, **arguments}
        try:
            # an lr of 0 would be refused by some; the schedule sets the real one before each step
            optimizer: torch.optim.Optimizer = kind(groups, lr=max(self.lr(0), 1e-12), **arguments)
            return optimizer
        except (TypeError, ValueError, AssertionError) as error:
            raise RunError(f"optimizer `{self.train.optimizer}` cannot be made: {error}") from None

    def all(self) -> list[torch.optim.Optimizer]:
        return [self.main, *([self.observing] if self.observing else [])]

    def follow(self, module: nn.Module) -> None:
        """Clip the parameters that `module` has now under the same names."""
        now = dict(module.named_parameters())
        self.members = [replace(member, parameter=now[member.name]) for member in self.members]

    def schedule(self, step: int) -> float:
        """Set learning rates and weight decays for `step`; gives the learning rate."""
        lr, decay = self.lr(step), self.weight_decay(step)
        for group, (_, scale, own, fixed, until, rule) in zip(self.main.param_groups, self.rules, strict=True):
            still = until > step and rule.frozen_as == "lr_zero"
            rate = self.train.peak_lr() if rule and rule.lr_constant else lr
            group["lr"] = 0.0 if still else rate * scale
            group["weight_decay"] = own(step) if own else decay if fixed is None else fixed
        return lr

    def drop_frozen(self, step: int) -> None:
        """Take away the gradients of parameters that do not move yet: no decay, no moments."""
        for group, (*_, until, rule) in zip(self.main.param_groups, self.rules, strict=True):
            if step < until and rule.frozen_as == "no_grad":
                for parameter in group["params"]:
                    parameter.grad = None

    def clip(self) -> None:
        """Clip gradients in the recipe's scope; observers are left out."""
        norm, scope = self.train.clip_norm, self.train.clip_scope
        if norm is None:
            return
        if scope == "parameter":
            clip_each([member.parameter for member in self.members], norm)
            return
        for _, together in groupby(self.members, key=lambda member: member.node if scope == "node" else ""):
            parameters = [member.parameter for member in together]
            torch.nn.utils.clip_grad_norm_(parameters, norm, error_if_nonfinite=False)


@torch.no_grad()
def clip_each(parameters: Iterable[nn.Parameter], norm: float) -> None:
    """What `clip_grad_norm_` does to one parameter, for each of many: a few operations on all of them, not ten on each."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    if gradients:
        norms = [n.full_tensor() if isinstance(n, DTensor) else n for n in torch._foreach_norm(gradients)]
        scales = (norm / (torch.stack(norms) + 1e-6)).clamp(max=1.0)
        torch._foreach_mul_([g.to_local() if isinstance(g, DTensor) else g for g in gradients], scales.unbind())


def _observer_optimizer(module: nn.Module, graph: Graph, train: Train) -> torch.optim.Optimizer | None:
    groups = [
        {"params": list(getattr(module, node.name.replace("/", "_")).parameters()), "lr": node.attrs["lr"]}
        for node in graph
        if node.op.observer
    ]
    kind = torch.optim.AdamW
    return kind(groups, weight_decay=0.0, fused=may_fuse(kind, train)) if groups else None
