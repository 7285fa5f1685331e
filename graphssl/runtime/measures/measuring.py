"""Which steps of a run are measured, and one such step."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from graphssl.compiler.output import StepOutput
from graphssl.ir.graph import Graph, Node
from graphssl.language.spec import Ref
from graphssl.ops.modules.distributed import world
from graphssl.runtime.measures.formulas import distance, effective_rank, gradient_norm, gram, rounded, spread, vectors
from graphssl.runtime.stopwatch import Stopwatch
from graphssl.runtime.writes import Writes

VECTORS = ("features", "tokens", "map", "logits", "probabilities")

EVERY, TIMES = 50, 200
"""By default a run is measured every 50 steps, a long one rarer, so that it is about 200 times."""


def default_every(steps: int) -> int:
    """Steps between two measurements of a run of `steps` steps."""
    return max(EVERY, math.ceil(steps / TIMES))


class Measuring:
    """Which steps of a run are measured, and what has to be remembered between them."""

    def __init__(self, graph: Graph, module: nn.Module, steps: int, every: int | None, *, main: bool):
        self.steps, self.main = steps, main
        self.every = default_every(steps) if every is None else every
        self.module = module
        self.own = {node.name: own for node in graph if (own := _own(module, node)) is not None}
        self.kept = {node.name: ref for node in graph if (ref := _vector_output(node)) is not None}
        self.copies = {node.name: graph.module_of(graph.nodes[node.of.node]).name for node in graph if _slow(node)}  # type: ignore[union-attr]
        sizes = {n.name: int(n.attrs["size"]) for n in graph.of_kind("state") if n.delayed and "size" in n.attrs}
        self.writes = Writes(sizes)

    def due(self, done: int) -> bool:
        """Whether step number `done` (from 1) is measured: every so many, the first and the last. The same on all ranks."""
        return self.every > 0 and (done in (1, self.steps) or done % self.every == 0)

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
        self.numbers: dict[tuple[str, str], Tensor] = {}  # (node, measure) -> scalar still on the device
        self.grams: dict[str, Tensor] = {}
        self.known: dict[tuple[str, str], float] = {}
        self.watch: Stopwatch | None = None

    def forward(self, model: Callable[..., StepOutput], views: Any, step: int) -> StepOutput:
        """The step's output, `model(views, step)`; every node's values are measured on the way, and let go."""
        kept = self.measuring.kept
        self.watch = Stopwatch(self.measuring.own, next(self.measuring.module.parameters()).device)
        with self.watch:
            out = model(views, step, keep=tuple(map(str, kept.values())))
        with torch.no_grad():
            for name, ref in kept.items():
                rows = vectors(out.values[str(ref)])
                self.numbers[name, "std"] = spread(rows)
                self.grams[name] = gram(rows)
        return out._replace(values={})

    @torch.no_grad()
    def gradients(self) -> None:
        """Norms of the gradients as they are now."""
        for name, own in self.measuring.own.items():
            norm = gradient_norm(own)
            if norm is not None:
                self.numbers[name, "grad_norm"] = norm

    @torch.no_grad()
    def state(self) -> None:
        """Copies and queues as they stand now."""
        own = self.measuring.own
        for name, fast in self.measuring.copies.items():
            self.numbers[name, "ema_distance"] = distance(own[name], own[fast])
        for name in self.measuring.writes.sizes:
            held = self.measuring.writes.held(name, self.done)
            self.known |= {(name, measure): value for measure, value in held.items()}

    def nodes(self) -> dict[str, dict[str, float]]:
        """Everything measured, by node; what is not finite is left out. Waits for the device."""
        values = {key: float(value) for key, value in self.numbers.items()}
        for name, products in self.grams.items():
            if math.isfinite(values[name, "std"]):
                values[name, "rank"] = effective_rank(products)
                values[name, "rank_share"] = values[name, "rank"] / len(products)
        values |= self.known
        values |= {(name, "time"): share for name, share in (self.watch.shares() if self.watch else {}).items()}
        found: dict[str, dict[str, float]] = {}
        for (name, measure), value in values.items():
            if math.isfinite(value):
                found.setdefault(name, {})[measure] = rounded(value)
        return found


def _own(module: nn.Module, node: Node) -> nn.Module | None:
    """The module that belongs to this node and no other."""
    own = module._modules.get(node.name.replace("/", "_"))
    return own if node.kind != "source" else None


def _slow(node: Node) -> bool:
    """Whether the node is a copy that moves."""
    return node.kind == "link" and node.of is not None and not node.shares and "momentum" in node.attrs


def _vector_output(node: Node) -> Ref | None:
    """The output of a node that holds vectors, the default one before others."""
    default = node.signature.default_port() if node.signature.outputs else None
    ports = sorted(node.outputs, key=lambda port: port != default)
    for port in ports:
        values = node.outputs[port].values
        if values and values[0].kind in VECTORS and len(values[0].axes) >= 2:
            return Ref(node.name, None if port == default else port, node.span)
    return None
