"""What the tests of this folder share: a method at paper size without memory, its learning rate, groups and steps by name."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

import graphssl
from graphssl.compiler.emit import emit
from graphssl.runtime.optim import Optimizers, members
from tests.conftest import toy_overrides

R50 = 23_508_032  # torchvision's ResNet-50 without its classifier
VIT_S, VIT_B = 21_665_664, 85_798_656  # ViT-S/16 and ViT-B/16 without theirs


def built(reference: str, **overrides: Any) -> tuple[Any, nn.Module]:
    """The method and its module at paper size, without memory."""
    method = graphssl.load(reference, {key.replace("__", "."): value for key, value in overrides.items()})
    program = emit(method.checked_graph())
    namespace: dict[str, Any] = {**program.names, "__name__": "test"}
    exec(program.source, namespace)
    with torch.device("meta"):
        return method, namespace[program.class_name](steps=1000, steps_per_epoch=10)


def tiny(method: str, variant: str = "", steps: int = 100, per_epoch: int = 10) -> tuple[Any, nn.Module]:
    """The wiring of a method, or of `@variant` of it, in a size that runs in milliseconds."""
    loaded = graphssl.load(f"{method}@quick{variant}", toy_overrides(method))
    torch.manual_seed(0)
    return loaded, graphssl.compile(loaded, steps=steps, steps_per_epoch=per_epoch)


@cache
def graph_of(reference: str) -> Any:
    return graphssl.load(reference).checked_graph()


def nodes(reference: str) -> dict[str, Any]:
    return dict(graph_of(reference).nodes)


def attrs(reference: str, node: str) -> dict[str, Any]:
    return dict(graph_of(reference).nodes[node].attrs)


def taken(reference: str, node: str, port: str) -> list[str]:
    """What a node takes at a port, as references."""
    return [str(r) for r in nodes(reference)[node].inputs[port]]


def flags(reference: str, node: str) -> set[tuple[bool, bool]]:
    """(grad, gathered) of what a node gives."""
    edges = nodes(reference)[node].outputs.values()
    return {(value.grad, value.gathered) for edge in edges for value in edge.values}


def recipe(reference: str) -> Any:
    return graph_of(reference).train


def lr(reference: str, per_epoch: int = 100) -> tuple[Any, int]:
    """The learning rate by step, and the number of steps."""
    train = recipe(reference)
    steps = round(train.epochs * per_epoch)
    return train.lr_curve(steps, per_epoch), steps


def decay(reference: str) -> Any:
    """The one weight decay of a recipe in which it is constant."""
    return recipe(reference).weight_decay.bind(1, 1)(0)


def rules(reference: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The rule of each trained parameter, None for those in no group; and the parameters."""
    method, module = built(reference)
    graph = method.checked_graph()
    found = members(module, graph, graph.train)
    return {m.name: m.rule for m in found}, {m.name: m.parameter for m in found}


def spared(reference: str) -> set[str]:
    """Names of trained parameters that a rule of their own keeps from weight decay."""
    return {name for name, rule in rules(reference)[0].items() if rule is not None and rule.weight_decay == 0}


def optimizer(reference: str) -> torch.optim.Optimizer:
    """The optimizer as training makes it, at the first step."""
    method, module = built(reference)
    graph = method.checked_graph()
    optimizers = Optimizers(module, graph, graph.train, 1000, 10)
    optimizers.schedule(0)
    return optimizers.main


def steps(reference: str, node: str) -> tuple[list[str], dict[str, Any]]:
    """The steps of an augmentation in their order, and their values."""
    found = attrs(reference, node)["steps"]
    return [name for name, _ in found], dict(found)


def jitter(step: dict[str, Any]) -> tuple[float, ...]:
    return tuple(step[key] for key in ("brightness", "contrast", "saturation", "hue", "p"))


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def layers(head: nn.Module) -> list[str]:
    return [name for name, _ in head.named_children()]


def equal(a: nn.Module, b: nn.Module) -> bool:
    """Whether all weights are."""
    return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
