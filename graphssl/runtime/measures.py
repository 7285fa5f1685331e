"""What some steps of a run measure of each node: spread and rank of its values, gradient, distance of copies, age of queues.

Nothing is configured: the graph says which nodes hold vectors, weights, slow copies or queues. Measuring changes no number
of the training: values are read beside the step, on the main process, and fetched once at its end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from graphssl.ir.graph import Graph, Node
from graphssl.language.spec import Ref
from graphssl.ops.modules.distributed import world
from graphssl.runtime.stopwatch import Stopwatch
from graphssl.runtime.writes import Writes

ROWS = 256
"""Vectors of a node that are measured at most, evenly spaced over what it gives."""

VECTORS = ("features", "tokens", "map", "logits", "probabilities")

EVERY, TIMES = 50, 200
"""By default a run is measured every 50 steps, a long one rarer, so that it is about 200 times."""


def default_every(steps: int) -> int:
    """Steps between two measurements of a run of `steps` steps."""
    return max(EVERY, math.ceil(steps / TIMES))


def vectors(value: Any) -> Tensor:
    """One vector a sample (n d), n at most ROWS: the first view of a list, tokens and maps averaged over places."""
    x: Tensor = (value[0] if isinstance(value, list) else value).detach()
    if x.dim() == 4:
        x = x.mean(dim=(2, 3))  # b d h w
    elif x.dim() == 3:
        x = x.mean(dim=1)  # b n d
    return x[:: max(1, math.ceil(len(x) / ROWS))].double() if x.device.type != "mps" else x.cpu().double()


def spread(rows: Tensor) -> Tensor:
    """√d · mean over dimensions of the standard deviation of the l2-normalised rows (n d) (SimSiam, arXiv:2011.10566, 4.1).

    0 where all rows point the same way, near 1 where they are spread evenly over the sphere; never above 1.
    """
    unit = nn.functional.normalize(rows, dim=1)
    found: Tensor = unit.std(dim=0, correction=0).mean() * rows.shape[1] ** 0.5
    return found


def gram(rows: Tensor) -> Tensor:
    """The smaller of XXᵀ and XᵀX of rows X (n d), whose eigenvalues are X's squared singular values."""
    return rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows


def effective_rank(products: Tensor) -> float:
    """exp of the entropy of the normalised singular values (RankMe, arXiv:2210.02885, equations 1 and 2), from a `gram`.

    Between 1 (all rows parallel) and min(n, d); 0 where every row is 0. Differs: without the paper's 1e-7 in the logarithm.
    """
    singular = torch.linalg.eigvalsh(products.cpu()).clamp(min=0).sqrt()
    singular = singular[singular > singular.max() * 1e-7]  # below is rounding
    shares = singular / singular.sum()
    return float(torch.exp(-(shares * shares.log()).sum())) if len(shares) else 0.0


def distance(slow: nn.Module, fast: nn.Module) -> Tensor:
    """‖t − s‖ / ‖s‖ over the parameters t of `slow` and those s of `fast` of the same names."""
    source = dict(fast.named_parameters())
    pairs = [(t.detach(), source[name].detach()) for name, t in slow.named_parameters()]
    apart = torch.stack([torch.linalg.vector_norm((t - s).float()) for t, s in pairs])
    whole = torch.stack([torch.linalg.vector_norm(s.float()) for _, s in pairs])
    found: Tensor = torch.linalg.vector_norm(apart) / torch.linalg.vector_norm(whole)
    return found


def gradient_norm(module: nn.Module) -> Tensor | None:
    """L2 norm of the gradient of all parameters; nothing where no gradient came."""
    grads = [p.grad for p in module.parameters() if p.grad is not None]
    return torch.nn.utils.get_total_norm(grads) if grads else None


def rounded(value: float) -> float:
    """Six significant digits."""
    return float(f"{value:.6g}")


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

    def forward(self, model: nn.Module, views: Mapping[str, Any], step: int) -> Any:
        """The step's output; every node's values are measured on the way, and let go."""
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
