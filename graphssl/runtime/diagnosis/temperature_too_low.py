"""A softmax that is sure of itself and wrong."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation
from graphssl.runtime.diagnosis import causes
from graphssl.runtime.diagnosis.history import History

EXPLAIN = Explanation(
    "temperature-too-low",
    "a loss stays far above what guessing costs, since its softmax is saturated",
    "An answer that gives every candidate the same share costs ln(candidates). A loss of several times that is sure of the wrong "
    "candidate, which one temperature alone brings about: similarities lie between -1 and 1, and a small τ makes any "
    "difference decide. The gradient then comes from a single candidate a sample. Told where a loss with a temperature stays "
    "above twice the cost of guessing, which similarities can bring about where 2 / τ is more than that, unless the weights grow without end (`lr-too-high`).",
)
SHARE = 2.0


def look(graph: Graph, history: History) -> Iterator[Finding]:
    if causes.long_steps(graph, history):
        return
    for loss in graph.losses():
        recent, guess = history.lasting(loss.name, "chance_share"), history.newest_of(loss.name, "chance")
        temperature = causes.now(loss, "temperature", history)
        if not temperature or not guess or not recent or temperature > 2 / guess.value:
            continue
        if any(point.value < SHARE for point in recent):
            continue
        now = recent[-1]
        message = (
            f"`{loss.name}` is {now.value * guess.value:.4g} at step {now.step}, {now.value:.3g} times what guessing costs "
            f"({guess.value:.3g}): with temperature {temperature:g} its softmax is saturated"
        )
        help = "raise `temperature`: contrastive losses take 0.05 to 0.5, DINO's prediction 0.1"
        yield Finding(EXPLAIN.code, message, loss.place("temperature"), "warning", loss.name, help)
