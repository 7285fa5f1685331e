"""A representation that has become, or is about to become, the same vector for every image."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.ir.graph import Graph, Node
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation
from graphssl.runtime.diagnosis import causes
from graphssl.runtime.diagnosis.history import History

EXPLAIN = Explanation(
    "collapsed",
    "a representation gives nearly the same vector for every image",
    "The standard deviation of the l2-normalised vectors times √d is s; what all vectors have in common is then at least "
    "1 - s² of each. Told where s stays below 0.25, so that over nine tenths of every vector say nothing about the image, and "
    "has fallen to less than half of what it was. A loss that only pulls views together is lowest there. Usual causes: no "
    "predictor, no stop-gradient, no negatives or variance term; a learning rate that is too high; a target that follows the "
    "trained network too closely.",
)
LOW = 0.25
FALLEN = 0.5
KINDS = ("features", "tokens", "map")


def look(graph: Graph, history: History) -> Iterator[Finding]:
    for node in causes.trained(graph):
        if not any(node.gives(kind) for kind in KINDS):
            continue
        if not (found := history.fallen(node.name, "std", LOW, FALLEN)):
            continue
        now, highest = found
        message = (
            f"`{node.name}` gives nearly the same vector for every image: std {now.value:.2g} at step {now.step}, "
            f"{highest.value:.2g} at step {highest.step}"
        )
        yield Finding(EXPLAIN.code, message, node.span, "warning", node.name, _why(graph, node, history))


def _why(graph: Graph, node: Node, history: History) -> str:
    losses = causes.losses_behind(graph, node)
    if warning := causes.warned(graph, losses):
        return f"{warning.message}: {warning.help}"
    if help := causes.shorter_steps(graph, history):
        return help
    if copies := causes.closeness(graph, losses, history):
        return (
            "usual causes are a learning rate that is too high, a predictor that learns too slowly, and a target that follows too "
            f"closely (relative distance of {copies}): lower the learning rate, or raise `momentum`"
        )
    return "usual causes are a learning rate that is too high, and a term against collapse that weighs too little"
