"""A head that gives every image the same prototype, or that no gradient reaches."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.ir.graph import Graph, Node
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation
from graphssl.runtime.diagnosis import causes
from graphssl.runtime.diagnosis.history import History

EXPLAIN = Explanation(
    "dead-head",
    "a head gives every image the same prototype, or no gradient reaches it",
    "exp of the entropy of the mean distribution of a batch is the number of prototypes in use. Told where fewer than 3 are and "
    "there were twice as many: all images get the same answer, the target's entropy goes to 0, and the loss with it "
    "(DINO, arXiv:2104.14294, section 5.3). Told, too, where the gradient of a trained module is 0. Usual causes: no centring or "
    "balancing of the target, a centre that moves too slowly, a target that is too sharp; dead units behind a step that was "
    "too large.",
)
FEW = 3.0
FALLEN = 0.5


def look(graph: Graph, history: History) -> Iterator[Finding]:
    yield from _one_prototype(graph, history)
    yield from _no_gradient(graph, history)


def _one_prototype(graph: Graph, history: History) -> Iterator[Finding]:
    for node in graph:
        found = history.fallen(node.name, "prototypes", FEW, FALLEN)
        share = history.newest_of(node.name, "entropy_share")
        if not found or not share:
            continue
        now, highest = found
        message = (
            f"`{node.name}` gives all images the same {now.value:.2g} prototypes at step {now.step} "
            f"({highest.value:.3g} at step {highest.step}); its entropy is {share.value:.0%} of that of even use"
        )
        yield Finding(EXPLAIN.code, message, node.span, "warning", node.name, _why(graph, node, history))


def _why(graph: Graph, node: Node, history: History) -> str:
    if warning := causes.warned(graph, causes.losses_behind(graph, node)):
        return f"{warning.message}: {warning.help}"
    if help := causes.shorter_steps(graph, history):
        return help
    behind = graph.ancestors([node.name])
    centre = next((n for n in graph if n.name in behind and n.kind == "state" and "momentum" in n.attrs), None)
    if centre:
        return f"raise the temperature of `{node.name}`, or let `{centre.name}` follow faster with a lower `momentum`"
    return f"raise the temperature of `{node.name}`"


def _no_gradient(graph: Graph, history: History) -> Iterator[Finding]:
    for node in causes.trained(graph):
        recent = history.lasting(node.name, "grad_norm")
        if recent and not any(point.value for point in recent):
            message = (
                f"no gradient reaches `{node.name}`: its norm is 0 from step {recent[0].step} to step {recent[-1].step}"
            )
            help = "its units may be dead, or the loss saturated: lower the learning rate, and start again"
            yield Finding(EXPLAIN.code, message, node.span, "warning", node.name, help)
