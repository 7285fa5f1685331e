"""Levels of a hierarchy that do not become coarser."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from graphssl.curate.flow import EXAMPLE
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

_REST = "  manifest: {op: manifest, in: [even, flowers]}\n"
_EVEN = "  even: {op: sample_hierarchy, in: pool, encoder: runs/a, images: 100, levels: "

EXPLAIN = Explanation(
    "levels-not-decreasing",
    "the levels of `sample_hierarchy` do not have fewer clusters from one to the next",
    "Each level clusters the centres of the one before it, so it needs fewer clusters than that has.",
    f"{EXAMPLE}{_EVEN}[10, 100]}}\n{_REST}",
    f"{EXAMPLE}{_EVEN}[100, 10]}}\n{_REST}",
)


def check(graph: Graph) -> Iterator[Finding]:
    for node in graph:
        levels = node.attrs.get("levels")
        if levels and any(b >= a for a, b in pairwise(levels)):
            message = f"`levels` expects numbers of clusters that fall, got {', '.join(map(str, levels))}"
            help = f"write `levels: [{', '.join(map(str, sorted(set(levels), reverse=True)))}]`"
            yield Finding("levels-not-decreasing", message, node.place("levels"), node=node.name, help=help)
