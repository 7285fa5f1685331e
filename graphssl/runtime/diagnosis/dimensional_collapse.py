"""Features that differ, but in very few directions."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation
from graphssl.runtime.diagnosis import causes, collapsed
from graphssl.runtime.diagnosis.history import History

EXPLAIN = Explanation(
    "dimensional-collapse",
    "the features that are to be learned differ between images in very few directions",
    "The effective rank (RankMe, arXiv:2210.02885) counts the directions that vectors use; features of low rank are worth little "
    "to any task (arXiv:2110.09348). Told of what evaluation takes (`represent`) where it stays below a tenth of the largest "
    "possible, min(samples, width), and has fallen to a third of what it was, while the vectors still differ. Usual causes: a covariance or decorrelation term that is "
    "missing or too weak, augmentation that leaves a single cue in common, a learning rate that is too high.",
)
LOW = 0.1
FALLEN = 1 / 3


def look(graph: Graph, history: History) -> Iterator[Finding]:
    for node in causes.represented(graph):
        rank, std = history.newest_of(node.name, "rank"), history.newest_of(node.name, "std")
        found = history.fallen(node.name, "rank_share", LOW, FALLEN)
        if not found or not rank or not std or std.value <= collapsed.LOW:
            continue
        now, highest = found
        message = (
            f"`{node.name}` uses {rank.value:.3g} directions at step {now.step}, {now.value:.1%} of those it could "
            f"({highest.value:.0%} at step {highest.step})"
        )
        help = causes.shorter_steps(graph, history) or (
            "add a term that keeps features apart or decorrelated, or give it more weight; or let views share less"
        )
        yield Finding(EXPLAIN.code, message, node.span, "warning", node.name, help)
