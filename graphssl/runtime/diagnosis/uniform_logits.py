"""A loss that stays at what guessing costs."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.ir.graph import Graph, Node
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation
from graphssl.runtime.diagnosis import causes
from graphssl.runtime.diagnosis.history import History

EXPLAIN = Explanation(
    "uniform-logits",
    "a loss stays at what guessing costs",
    "An answer that gives every candidate, or class, the same share costs ln(candidates). Told where a loss lies within one per "
    "cent of that for 150 steps, and the learning rate does not rise any more. Usual causes: a representation that is constant, a temperature so high that "
    "no similarity makes a difference, a target that is itself uniform, a learning rate that is 0 or too high.",
)
NEAR = 0.01
LONG = 150  # steps


def look(graph: Graph, history: History) -> Iterator[Finding]:
    for loss in graph.losses():
        recent, guess = history.lasting(loss.name, "chance_share", LONG), history.newest_of(loss.name, "chance")
        if not recent or not guess or any(abs(point.value - 1) > NEAR for point in recent) or _warming(history):
            continue
        message = (
            f"`{loss.name}` has been within {NEAR:.0%} of {guess.value:.3g}, what guessing costs, from step {recent[0].step} to "
            f"step {recent[-1].step}"
        )
        yield Finding(EXPLAIN.code, message, loss.span, "warning", loss.name, _why(graph, loss, history))


def _warming(history: History) -> bool:
    """Whether the learning rate is higher than at any measurement before."""
    *before, now = [record.get("lr", 0.0) for record in history.measured]
    return bool(before) and now > max(before)


def _why(graph: Graph, loss: Node, history: History) -> str:
    if help := causes.shorter_steps(graph, history):
        return help
    if warning := causes.warned(graph, [loss]):
        return f"{warning.message}: {warning.help}"
    temperature = causes.now(loss, "temperature", history)
    if temperature is not None and temperature > 1:
        return (
            f"similarities lie between -1 and 1, so that with temperature {temperature:g} no candidate gets more than "
            f"e^{2 / temperature:.2g} times the share of another: lower `temperature`"
        )
    return "look at the std of what it compares, which is near 0 where all images look alike, and at the learning rate"
