"""A rule of `train.groups` for weights that no optimizer trains."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.flow import is_teacher, place
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "group-on-teacher",
    "a rule of `train.groups` names a node whose weights no optimizer trains",
    "A teacher follows what it copies or stays fixed, and pure ops and losses have no weights: the rule does nothing.",
    "graphssl: 1\nextends: byol@quick\nname: mine\ntrain: {groups: {slow: {node: gt, lr_scale: 0.1}}}\n",
    "graphssl: 1\nextends: byol@quick\nname: mine\ntrain: {groups: {slow: {node: g, lr_scale: 0.1}}}\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    for rule in graph.train.groups if graph.train else ():
        node = graph.nodes.get(rule.node.partition(".")[0]) if rule.node else None
        if node is None or node.broken or node.kind == "module":
            continue
        span = place(graph, "train", "groups", rule.name, "node")
        owner = node.root if node.root and (is_teacher(node) or node.kind == "link") else None
        what = "is a teacher" if is_teacher(node) else "has no weights of its own"
        message = f"group `{rule.name}` names `{node.name}`, which {what}, so no optimizer trains it"
        help = f"name `{owner}`, whose weights are trained" if owner else "name a module"
        also = (node.span, f"`{node.name}` is `{node.op.name}`")
        yield Finding("group-on-teacher", message, span, node=node.name, help=help, also=also)
