"""Checks of `train:` that need the built module: the optimizer, the groups of parameters, micro-batches."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import timm.optim
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from graphssl.checks.flow import place
from graphssl.compiler.build import own_module
from graphssl.ir.graph import Graph
from graphssl.ir.parts import parts_of
from graphssl.language.diagnostics import Finding, Span, did_you_mean
from graphssl.language.train import Train
from graphssl.language.tree import Mapping, at
from graphssl.ops.modules.batch_norm import Grouped
from graphssl.runtime.errors import RunError
from graphssl.runtime.groups import matches
from graphssl.runtime.optim import Member, members, optimizer_class


def recipe_findings(graph: Graph, module: nn.Module) -> Iterator[Finding]:
    """Groups that mean no parameter, and an optimizer that cannot be made."""
    if graph.train is None:
        return
    found = members(module, graph, graph.train)
    yield from _idle_groups(graph, graph.train, found, module)
    yield from _optimizer(graph, graph.train, found)
    yield from micro_batch_norm(graph, module)


def micro_batch_norm(graph: Graph, module: nn.Module) -> Iterator[Finding]:
    """BatchNorm in front of the point where samples begin to meet, under `micro_batch`."""
    train = graph.train
    if train is None or train.micro_batch is None or train.micro_batch_norm != "refuse":
        return
    module.train()  # what is frozen, or says `mode: eval`, stays in eval mode and takes no statistics
    for node in parts_of(graph).by_sample:
        owner = own_module(module, node)
        layers = [layer for layer in owner.modules() if isinstance(layer, _BatchNorm)] if owner else []
        whole = [layer for layer in layers if layer.training and not _splits(layer, train.micro_batch)]
        if whole:
            message = f"`{node.name}` has BatchNorm, whose statistics would be those of {train.micro_batch} samples, not of the batch"
            help = (
                f"give `{node.name}` `bn_group: {train.micro_batch}`, take a model without BatchNorm, or accept it with "
                "`train.micro_batch_norm: per_micro_batch`"
            )
            also = (train.spans["micro_batch"], "the micro-batch is set here")
            yield Finding("micro-batch-norm", message, node.span, node=node.name, help=help, also=also)


def _splits(layer: nn.Module, rows: int) -> bool:
    """Whether micro-batches of so many rows have the groups that the whole batch has."""
    return isinstance(layer, Grouped) and rows % layer.group_rows == 0


def _idle_groups(graph: Graph, train: Train, found: list[Member], module: nn.Module) -> Iterator[Finding]:
    owners = dict(module.named_modules())
    winners = {member.rule.name for member in found if member.rule}
    for rule in train.groups:
        if rule.name in winners:
            continue
        meant = [m for m in found if matches(rule, m.node, m.name, m.parameter, owners[m.name.rpartition(".")[0]])]
        if meant:
            earlier = next(r for m in meant if (r := m.rule))
            message = f"every parameter of group `{rule.name}` belongs to the earlier group `{earlier.name}`"
            yield Finding(
                "group-matches-nothing", message, rule.span, also=(earlier.span, "first match wins"),
                help=f"put `{rule.name}` before `{earlier.name}`",
            )  # fmt: skip
        else:
            message = f"group `{rule.name}` matches no parameter"
            words = sorted({member.name.rpartition(".")[2] for member in found})
            help = f"`match` takes a part of a parameter's name, such as {', '.join(f'`{w}`' for w in words[:6])}, or `norm`"
            yield Finding("group-matches-nothing", message, rule.span, help=help)


def _optimizer(graph: Graph, train: Train, found: list[Member]) -> Iterator[Finding]:
    try:
        kind = optimizer_class(train.optimizer)
    except RunError:
        names = [*_torch_names(), *timm.optim.list_optimizers()]
        help = did_you_mean(train.optimizer.lower(), names)
        message = f"there is no optimizer `{train.optimizer}`"
        yield Finding("unknown-optimizer", message, _span(graph, "name"), help=help)
        return
    known = _arguments(kind)
    unknown = [name for name in train.optimizer_args if known is not None and name not in known]
    reserved = {"lr": "`train.lr`", "weight_decay": "`train.weight_decay`", "params": "the graph"}
    for name, owner in reserved.items():
        if name in train.optimizer_args:
            message = f"`{name}` of the optimizer comes from {owner}"
            help = "remove it here" if name == "params" else f"write `{name}: …` directly under `train`"
            yield Finding("bad-optimizer-argument", message, _span(graph, name), help=help)
            return
    for name in unknown:
        message = f"optimizer `{train.optimizer}` has no argument `{name}`"
        yield Finding(
            "bad-optimizer-argument", message, _span(graph, name, key=True), help=did_you_mean(name, known or ())
        )
    if not unknown:
        arguments = {k: tuple(v) if isinstance(v, list) else v for k, v in train.optimizer_args.items()}
        try:
            kind([member.parameter for member in found], lr=1e-3, **arguments)
        except (TypeError, ValueError, AssertionError, RuntimeError) as error:
            text = (str(error).splitlines() or [type(error).__name__])[0].strip().rstrip(".")
            message = f"optimizer `{train.optimizer}` cannot be made: {text[:1].lower()}{text[1:]}"
            yield Finding("bad-optimizer-argument", message, train.spans["optimizer"])


def _torch_names() -> list[str]:
    classes = [c for c in vars(torch.optim).values() if isinstance(c, type) and issubclass(c, torch.optim.Optimizer)]
    return [c.__name__.lower() for c in classes if c is not torch.optim.Optimizer]


def _arguments(kind: Any) -> list[str] | None:
    """Names of the arguments that a file may give; None when any name is taken."""
    parameters = inspect.signature(kind).parameters.values()
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        return None
    return [p.name for p in parameters if p.name not in ("params", "self")]


def _span(graph: Graph, name: str, key: bool = False) -> Span:
    """Where an argument of the optimizer stands, or its key."""
    optimizer = at(graph.spec.tree, ["train", "optimizer"])
    if key and isinstance(optimizer, Mapping) and name in optimizer:
        return optimizer.entries[name].key_span
    return place(graph, "train", "optimizer", name)
