"""What the graph says about why: findings of static rules, and places that a sentence can point to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from graphssl.checks import collapse_risk, flow, missing_stop_gradient, target_not_sharper
from graphssl.ir.graph import Graph, Node
from graphssl.language.diagnostics import Finding
from graphssl.language.schedule import Schedule
from graphssl.runtime.diagnosis.history import History, Point

STEP, GROWN, WITHIN = 0.02, 2.0, 100
"""Steps are too long where one changes weights by STEP of their length, and they grow GROWN times as long WITHIN so many steps, or
since the measurement before."""

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
    return [n for n in graph if n.name in before and n.carries_gradient]


def represented(graph: Graph) -> list[Node]:
    """Trained nodes whose weights, or a copy of them, give what evaluation takes."""
    node = graph.nodes.get(graph.represent.node) if graph.represent else None
    return [n for n in trained(graph) if node and n.name in (node.name, node.root)]


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


class Growth(NamedTuple):
    """Weights of a module that became longer: their length at two measurements, and what one step changed at the second."""

    node: Node
    before: Point
    now: Point
    step: float

    @property
    def times(self) -> float:
        return self.now.value / self.before.value


def growths(graph: Graph, history: History) -> Iterator[Growth]:
    """How weights of trained modules grew up to each measurement, from where they were shortest shortly before."""
    for node in trained(graph):
        lengths, steps = history.of(node.name, "weight_norm"), dict(history.of(node.name, "update"))
        for i, now in enumerate(lengths):
            recent = [point for point in lengths[:i] if point.step >= now.step - WITHIN] or lengths[max(0, i - 1) : i]
            before = min([*recent, now], key=lambda point: point.value)
            if before.value > 0 and now.step in steps:
                yield Growth(node, before, now, steps[now.step])


def long_steps(graph: Graph, history: History) -> Growth | None:
    """The growth that shows best that steps are too long, if one does."""
    found = [growth for growth in growths(graph, history) if growth.times >= GROWN and growth.step >= STEP]
    return max(found, key=lambda growth: growth.times, default=None)


def shorter_steps(graph: Graph, history: History) -> str | None:
    """What to do where steps are too long."""
    growth = long_steps(graph, history)
    return growth and (
        f"steps are too long (`{growth.node.name}`: {growth.step:.1%} of its weights at step {growth.now.step}): lower `train.lr`"
    )
