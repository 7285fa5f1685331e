"""A loss beside what it could be: what guessing costs, and what the best answer would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from graphssl.ir.graph import Graph, Node
from graphssl.language.schedule import Curve
from graphssl.language.spec import Ref
from graphssl.ops.modules.lists import as_list

Inputs = Mapping[str, Any]  # by port: a tensor, or a list of them


def is_distribution(graph: Graph, ref: Ref) -> bool:
    """Whether the rows at `ref` are probabilities: its op says so, of tokens too."""
    output = graph.nodes[ref.node].signature.outputs.get(graph.port(ref)) if ref.node in graph.nodes else None
    return output is not None and output.type.startswith("probabilities")


def terms(node: Node, inputs: Inputs) -> list[dict[str, Any]]:
    """Inputs of each call that a loss is the mean, or sum, of: a call for each pair of views, or view, as generated."""
    listed = [p for p, edge in node.given.items() if edge.listed and not node.op.inputs[p].takes_list]
    if node.pairs is not None:
        right = node.op.paired[1]  # type: ignore[attr-defined]
        index = [{p: j if p == right else i for p in listed} for i, j in node.pairs]
    else:
        index = [dict.fromkeys(listed, i) for i in range(len(inputs[listed[0]]))] if listed else [{}]
    return [{p: value[at[p]] if p in at else value for p, value in inputs.items()} for at in index]


class Judge:
    """Judges one loss that has an `undecided` input. curves: its scheduled attributes."""

    def __init__(self, graph: Graph, node: Node, curves: Mapping[str, Curve]):
        self.node, self.curves = node, curves
        self.function = node.op.function()
        self.undecided: str = node.op.undecided  # type: ignore[attr-defined]
        self.only_shapes = bool(node.op.candidates)  # type: ignore[attr-defined]
        self.known: dict[tuple[int, ...], float] = {}
        paired = node.op.paired  # type: ignore[attr-defined]
        target = paired[1] if len(paired) == 2 else ""
        refs = node.inputs.get(target, ())
        self.target = (
            target if "temperature" in node.attrs and refs and all(is_distribution(graph, r) for r in refs) else ""
        )

    def measure(self, loss: Tensor, calls: list[dict[str, Any]], step: int) -> dict[str, Tensor | float]:
        """`chance`: what guessing costs. `chance_share`: the loss divided by it. `kl`: mean KL(target‖prediction), in nats."""
        keywords = self._keywords(step)
        chance = self._guessing(calls, keywords)
        found: dict[str, Tensor | float] = {"chance": chance, "chance_share": loss.detach() / chance}
        if self.target:
            temperature = keywords["temperature"]
            best = [{**t, self.undecided: _log(t[self.target]) * temperature} for t in calls]
            summed = self.node.attrs.get("reduce") == "sum"
            found["kl"] = (loss.detach() - self._loss(best, keywords)) / (len(calls) if summed else 1)
        return found

    def _loss(self, calls: list[dict[str, Any]], keywords: Mapping[str, Any]) -> Tensor:
        each = torch.stack([self.function(**call, **keywords) for call in calls])
        return each.sum() if self.node.attrs.get("reduce") == "sum" else each.mean()

    def _guessing(self, calls: list[dict[str, Any]], keywords: Mapping[str, Any]) -> Tensor | float:
        """The loss where the undecided input is zero. Where only numbers of rows matter, worked out once, beside the device."""
        if not self.only_shapes:
            return self._loss([{**t, self.undecided: torch.zeros_like(t[self.undecided])} for t in calls], keywords)
        rows = tuple(len(x) for call in calls for value in call.values() for x in as_list(value))
        if rows not in self.known:
            narrow = [{p: _map(lambda x: torch.zeros(len(x), 1), value) for p, value in call.items()} for call in calls]
            self.known[rows] = float(self._loss(narrow, keywords))
        return self.known[rows]

    def _keywords(self, step: int) -> dict[str, Any]:
        found = self.node.op.call_arguments(self.node.attrs, self.node.given)
        return {key: self.curves[key](step) if key in self.curves else value for key, value in found.items()}


def _map(function: Any, value: Any) -> Any:
    return [function(x) for x in value] if isinstance(value, list) else function(value)


def _log(probabilities: Tensor) -> Tensor:
    return probabilities.float().clamp(min=torch.finfo(torch.float32).tiny).log()
