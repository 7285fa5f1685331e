"""What the graph says about why: findings of static rules, and places that a sentence can point to."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from graphssl.checks import collapse_risk, flow, missing_stop_gradient, target_not_sharper
from graphssl.ir.graph import Graph, Node
from graphssl.language.diagnostics import Finding
from graphssl.language.schedule import Schedule
from graphssl.runtime.diagnosis.history import History, Point

GROWN, WINDOW = 5.0, 5
"""Weights that become GROWN times as long within WINDOW measurements are hardly what they were: steps are too long."""

RULES: tuple[Callable[[Graph], Iterator[Finding]], ...] = (
    missing_stop_gradient.check,
    collapse_risk.check,
    target_not_sharper.check,
)
"""Static rules whose findings explain a collapse, the likeliest first."""


def trained(graph: Graph) -> list[Node]:
    """Nodes that the gradient of the method's losses flows through, in computing order."""
    losses = flow.learning(graph)
    before = graph.ancestors(ref.node for loss in losses for _, ref in loss.refs())
    return [n for n in graph if n.name in before and any(edge.grad for edge in n.outputs.values())]


def losses_behind(graph: Graph, node: Node) -> list[Node]:
    """The losses that a node's values go into."""
    after = graph.descendants([node.name])
    return [loss for loss in flow.learning(graph) if loss.name in after]


def warned(graph: Graph, losses: list[Node]) -> Finding | None:
    """What a static rule has against one of these losses."""
    names = {loss.name for loss in losses}
    return next((finding for rule in RULES for finding in rule(graph) if finding.node in names), None)


def now(node: Node, key: str, history: History) -> float | None:
    """An attribute at the newest measurement: what it is, or what its schedule gave."""
    value = node.attrs.get(key)
    if isinstance(value, Schedule):
        points = history.of(node.name, key)
        return points[-1].value if points else None
    return value if isinstance(value, (int, float)) else None


def closeness(graph: Graph, losses: list[Node], history: History) -> str:
    """Slow copies on the target's side of these losses, with how far each is from what it follows; nothing where there are none."""
    names = graph.ancestors(ref.node for loss in losses for _, ref in loss.refs())
    found = [
        (n.name, points[-1].value) for n in graph if n.name in names and (points := history.of(n.name, "ema_distance"))
    ]
    return ", ".join(f"`{name}` {value:.2g}" for name, value in found)


def fastest_growth(graph: Graph, history: History) -> tuple[Node, Point, Point] | None:
    """The trained module whose weights grew most within WINDOW measurements, with their lengths, where that was GROWN times."""
    found = []
    for node in trained(graph):
        points = history.of(node.name, "weight_norm")
        for i, now in enumerate(points):
            before = min(points[max(0, i - WINDOW + 1) : i + 1], key=lambda point: point.value)
            found.append((node, before, now))
    most = max(found, key=lambda growth: growth[2].value / max(growth[1].value, 1e-12), default=None)
    return most if most and most[2].value >= GROWN * most[1].value else None


def step_too_large(graph: Graph, history: History) -> str | None:
    """What to do where weights grow since steps are too long."""
    growth = fastest_growth(graph, history)
    if not growth:
        return None
    node, before, now = growth
    times = now.value / before.value
    return f"the weights of `{node.name}` grew {times:.2g} times as long from step {before.step} to step {now.step}: lower `train.lr`"
