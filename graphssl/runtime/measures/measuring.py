"""Which steps of a run are measured, and one such step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from graphssl.compiler.build import own_module
from graphssl.compiler.output import StepOutput
from graphssl.ir.graph import Graph, Node
from graphssl.ir.types import Edge
from graphssl.language.schedule import Schedule
from graphssl.ops.modules.distributed import Alone, world
from graphssl.ops.modules.lists import as_list
from graphssl.runtime.measures.formulas import (
    alignment,
    change,
    distance,
    effective_rank,
    entropy,
    gradient_norm,
    gram,
    rounded,
    some_weights,
    spaced,
    spread,
    uniformity,
    vectors,
    weight_norm,
)
from graphssl.runtime.measures.judging import Judge, is_distribution, terms
from graphssl.runtime.stopwatch import Stopwatch
from graphssl.runtime.writes import Writes

VECTORS = ("features", "tokens", "map", "logits", "probabilities")

EVERY, TIMES = 50, 200
"""By default a run is measured every 50 steps, a long one rarer, so that it is about 200 times."""


def default_every(steps: int) -> int:
    """Steps between two measurements of a run of `steps` steps."""
    return max(EVERY, math.ceil(steps / TIMES))


class Measuring:
    """Which steps of a run are measured, and what has to be remembered between them.

    steps, per_epoch: length of the training and of an epoch, in optimizer steps. every: None takes the default, 0 is never.
    """

    def __init__(
        self,
        graph: Graph,
        module: nn.Module,
        steps: int,
        per_epoch: int,
        every: int | None = None,
        *,
        main: bool = True,
    ):
        self.steps, self.main = steps, main
        self.every = default_every(steps) if every is None else every
        self.module = module
        self.own = {node.name: own for node in graph if (own := own_module(module, node)) is not None}
        self.curves = {
            node.name: {
                key: value.bind(steps, per_epoch) for key, value in node.attrs.items() if isinstance(value, Schedule)
            }
            for node in graph
        }
        self.places = {node.name: place for node in graph if (place := _place(graph, node)) is not None}
        losses = {node.name: node for node in graph.losses()}
        self.judges = {
            name: Judge(graph, node, self.curves[name])
            for name, node in losses.items()
            if getattr(node.op, "undecided", None) in node.given
        }
        self.losses = {n: node for n, node in losses.items() if n in self.judges or _compares_features(node)}
        self.inputs = {
            name: {port: [str(graph.canonical(ref)) for ref in refs] for port, refs in node.inputs.items()}
            for name, node in self.losses.items()
        }
        self.copies = {node.name: graph.module_of(graph.nodes[node.of.node]).name for node in graph if _slow(node)}  # type: ignore[union-attr]
        self.means = {n.name: n.op.running_mean for n in graph.of_kind("state") if n.op.running_mean}  # type: ignore[attr-defined]
        sizes = {n.name: int(n.attrs["size"]) for n in graph.of_kind("state") if n.delayed and "size" in n.attrs}
        self.writes = Writes(sizes)

    @property
    def keep(self) -> tuple[str, ...]:
        """Outputs that a measured step has to give."""
        places = [place.key for place in self.places.values()]
        inputs = [key for ports in self.inputs.values() for keys in ports.values() for key in keys]
        return tuple(dict.fromkeys([*places, *inputs]))

    def due(self, done: int) -> bool:
        """Whether step number `done` (from 1) is measured: every so many, the last, and 1, 2, 4, 8, … of the first so many.

        The same on all ranks.
        """
        early = done < self.every and done.bit_count() == 1
        return self.every > 0 and (early or done == self.steps or done % self.every == 0)

    def reading(self, done: int) -> Reading | None:
        """What is to be measured of this step; nothing at others, and on other ranks."""
        return Reading(self, done) if self.main and self.due(done) else None

    def note_writes(self, done: int) -> None:
        """Remember how many rows each queue is about to take from all ranks. Reads shapes only."""
        for name in self.writes.sizes:
            staged: list[Tensor] = self.own[name].staged  # type: ignore[assignment]
            self.writes.note(name, done, sum(map(len, staged)) * world()[1])


class Reading:
    """One measured step: `forward` beside the step's own, then `gradients`, then `state`, then `nodes` to fetch it all."""

    def __init__(self, measuring: Measuring, done: int):
        self.measuring, self.done = measuring, done
        self.numbers: dict[tuple[str, str], Tensor | float] = {}  # (node, measure) -> a scalar, still on the device
        self.grams: dict[str, Tensor] = {}
        self.before: dict[str, Tensor] = {}
        self.watch: Stopwatch | None = None

    def forward(self, model: Callable[..., StepOutput], views: Any, step: int) -> StepOutput:
        """The step's output, `model(views, step)`; every node's values are measured on the way, and let go."""
        measuring = self.measuring
        self.watch = Stopwatch(measuring.own, next(measuring.module.parameters()).device)
        with self.watch:
            out = model(views, step, keep=measuring.keep)
        with torch.no_grad(), Alone():  # other processes do not measure
            for name, place in measuring.places.items():
                self._values(name, place, out.values[place.key])
            for name, node in measuring.losses.items():
                keys = measuring.inputs[name]
                calls = terms(node, {port: _arrived(node.given[port], keys[port], out.values) for port in keys})
                if name in measuring.judges:
                    self._add(name, measuring.judges[name].measure(out.losses[name], calls, step))
                if _compares_features(node):
                    self._positives(name, node, calls)
        for name, curves in measuring.curves.items():
            self._add(name, {key: curve(step) for key, curve in curves.items()})
        return out._replace(values={})

    def _add(self, name: str, found: Mapping[str, Tensor | float]) -> None:
        self.numbers |= {(name, measure): value for measure, value in found.items()}

    def _values(self, name: str, place: Place, value: Any) -> None:
        """What the vectors of a node say: of the first view, and how near the second is."""
        views = as_list(value)
        rows = vectors(views[0])
        self.grams[name] = gram(rows)
        self._add(name, {"std": spread(rows)})
        if place.distribution:
            shares = spaced(views[0].detach().flatten(0, -2))
            mean = entropy(shares).mean()
            self._add(name, {"entropy": mean, "entropy_share": mean / math.log(shares.shape[1])})
            self._add(name, {"prototypes": entropy(shares.mean(dim=0)).exp()})
        elif place.kind != "logits":
            self._add(name, {"uniformity": uniformity(rows)})
            if place.paired:
                self._add(name, {"alignment": alignment(rows, vectors(views[1]))})

    def _positives(self, name: str, node: Node, calls: list[dict[str, Any]]) -> None:
        """How near the two inputs of a loss are that belong together, where this process has both."""
        pairs = [tuple(vectors(call[port]) for port in node.op.paired) for call in calls]  # type: ignore[attr-defined]
        if all(left.shape == right.shape for left, right in pairs):
            self._add(name, {"alignment": torch.stack([alignment(*pair) for pair in pairs]).mean()})

    @torch.no_grad()
    def gradients(self) -> None:
        """Norms of the gradients as they are now, and the weights that they are about to change."""
        for name, own in self.measuring.own.items():
            norm = gradient_norm(own)
            if norm is not None:
                self.before[name] = some_weights(own)
                self._add(name, {"grad_norm": norm, "weight_norm": weight_norm(own)})

    @torch.no_grad()
    def state(self) -> None:
        """What the step did to weights, copies, means and queues."""
        own = self.measuring.own
        for name, before in self.before.items():
            self._add(name, {"update": change(some_weights(own[name]), before)})
        for name, fast in self.measuring.copies.items():
            self._add(name, {"ema_distance": distance(own[name], own[fast])})
        for name, buffer in self.measuring.means.items():
            self._add(name, {"mean_norm": torch.linalg.vector_norm(own[name].get_buffer(buffer))})
        for name in self.measuring.writes.sizes:
            self._add(name, self.measuring.writes.held(name, self.done))

    def nodes(self) -> dict[str, dict[str, float]]:
        """Everything measured, by node; what is not finite is left out. Waits for the device."""
        values = {key: float(value) for key, value in self.numbers.items()}
        for name, products in self.grams.items():
            if math.isfinite(values[name, "std"]):
                values[name, "rank"] = effective_rank(products)
                values[name, "rank_share"] = values[name, "rank"] / len(products)
        values |= {(name, "time"): share for name, share in (self.watch.shares() if self.watch else {}).items()}
        found: dict[str, dict[str, float]] = {}
        for (name, measure), value in values.items():
            if math.isfinite(value):
                found.setdefault(name, {})[measure] = rounded(value)
        return found


def _slow(node: Node) -> bool:
    """Whether the node is a copy that moves."""
    return node.kind == "link" and node.of is not None and not node.shares and "momentum" in node.attrs


@dataclass(frozen=True)
class Place:
    """Where a node gives vectors. key: its name in a step's values. paired: the rows of two views belong to the same images."""

    key: str
    kind: str
    distribution: bool
    paired: bool


def _place(graph: Graph, node: Node) -> Place | None:
    """The output of a node that holds vectors, the default one before others."""
    default = node.signature.default_port() if node.signature.outputs else None
    for port in sorted(node.outputs, key=lambda port: port != default):
        values = node.outputs[port].values
        if values and values[0].kind in VECTORS and len(values[0].axes) >= 2:
            ref = node.output(port)
            paired = len(values) > 1 and {value.axes[0] for value in values[:2]} <= {"b", "B"}
            return Place(str(ref), values[0].kind, is_distribution(graph, ref), paired)
    return None


def _arrived(edge: Edge, keys: list[str], values: Mapping[str, Any]) -> Any:
    """What arrives at an input: one value, or the list that several references make."""
    if not edge.listed:
        return values[keys[0]]
    return [x for key in keys for x in as_list(values[key])]


def _compares_features(node: Node) -> bool:
    """Whether a loss compares two features of one sample."""
    ports = node.op.paired  # type: ignore[attr-defined]
    return len(ports) == 2 and all(value.kind == "features" for port in ports for value in node.given[port].values)
