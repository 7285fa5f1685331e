"""Shuffling BN where one process normalises all rows together."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "shuffle-without-groups",
    "`shuffle_bn` shuffles rows that BatchNorm then normalises all together",
    "On one rank, or with synchronised BatchNorm, every order of the rows has the same statistics: nothing is hidden from the "
    "queries. `bn_group` on the module makes groups on any number of ranks.",
    "graphssl: 1\nextends: moco_v1@quick\nname: mine\nnodes: {f: {bn_group: null}}\n",
    "graphssl: 1\nextends: moco_v1@quick\nname: mine\nnodes: {f: {bn_group: 32}}\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    for node in graph:
        root = graph.nodes.get(node.root or "")
        if not node.attrs.get("shuffle_bn") or node.broken or root is None:
            continue
        if not (node.attrs.get("bn_group") or root.attrs.get("bn_group")):
            message = f"`{node.name}` shuffles rows, but BatchNorm of `{root.name}` normalises all of them together"
            help = f"give `{root.name}` groups, for example `bn_group: 32`"
            yield Finding(
                "shuffle-without-groups", message, node.place("shuffle_bn"), "warning", node.name, help,
                (root.span, f"`{root.name}` is declared here"),
            )  # fmt: skip
