"""A predicted distribution whose own slow target is no sharper than it is."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.flow import comparisons, complete, modules_behind, moving_copies
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation
from graphssl.language.schedule import Schedule

_NODES = (
    "  v: {op: augment, recipe: quick, size: 32, count: 2}\n"
    "  f: {op: encoder, in: v, arch: resnet18}\n"
    "  h: {op: prototypes, in: f, hidden: [64], bottleneck: 16, count: 128}\n"
    "  ft: {op: ema, of: f, in: v, momentum: 0.99}\n"
    "  ht: {op: ema, of: h, in: ft, momentum: 0.99}\n"
    "  c: {op: center, in: ht}\n"
    "  p: {op: softmax, in: c, temperature: TEMPERATURE}\n"
    "  loss: {op: soft_cross_entropy, in: {prediction: h, target: p}, temperature: 0.1}\n"
)
_FILE = (
    f"graphssl: 1\nname: mine\nnodes:\n{_NODES}represent: f\n"
    "train: {optimizer: adamw, lr: 1.0e-3, epochs: 10, batch_size: 64}\n"
)
EXPLAIN = Explanation(
    "target-not-sharper",
    "the target distribution of a loss is no sharper than its prediction",
    "Centring, or equal use of the prototypes, drives the target towards the uniform distribution; only a temperature "
    "below that of the prediction drives it away (arXiv:2104.14294, section 5.3). Without it both sides end uniform, the "
    "loss at the logarithm of the number of prototypes.",
    _FILE.replace("TEMPERATURE", "0.1"),
    _FILE.replace("TEMPERATURE", "0.04"),
)


def check(graph: Graph) -> Iterator[Finding]:
    if not complete(graph):
        return
    for loss, left, right in comparisons(graph):
        ours, theirs = modules_behind(graph, loss.inputs[left]), modules_behind(graph, loss.inputs[right])
        if "temperature" not in loss.attrs or ours - theirs or not ours & moving_copies(graph, loss.inputs[right]):
            continue
        mine = min(_values(loss.attrs["temperature"]))
        for node in dict.fromkeys(ref.node for ref in loss.inputs[right]):
            target = graph.nodes[node]
            if target.kind != "pure" or "temperature" not in target.attrs:
                continue
            if max(_values(target.attrs["temperature"])) >= mine:
                message = f"the target `{node}` of `{loss.name}` is no sharper than its prediction"
                help = f"give `{node}` a temperature below {mine:g}"
                also = (loss.place("temperature"), "the temperature of the prediction")
                yield Finding(
                    "target-not-sharper", message, target.place("temperature"), "warning", loss.name, help, also
                )


def _values(temperature: float | Schedule) -> tuple[float, ...]:
    return tuple(temperature.values()) if isinstance(temperature, Schedule) else (temperature,)
