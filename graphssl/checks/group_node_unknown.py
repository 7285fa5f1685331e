"""A rule of `train.groups` for a node that is not there."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.flow import complete, place
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding, did_you_mean
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "group-node-unknown",
    "a rule of `train.groups` names no node of the graph",
    "The rule would apply to nothing, and its parameters would silently follow the general recipe.",
    "graphssl: 1\nextends: simsiam@quick\nname: mine\ntrain: {groups: {predictor: {node: p}}}\n",
    "graphssl: 1\nextends: simsiam@quick\nname: mine\ntrain: {groups: {predictor: {node: q}}}\n",
)


def check(graph: Graph) -> Iterator[Finding]:
    if not complete(graph):
        return
    for rule in graph.train.groups if graph.train else ():
        if rule.node and rule.node.partition(".")[0] not in graph.nodes:
            span = place(graph, "train", "groups", rule.name, "node")
            message = f"group `{rule.name}` names `{rule.node}`, which is no node"
            help = did_you_mean(rule.node.partition(".")[0], [node.name for node in graph.of_kind("module")], "node")
            yield Finding("group-node-unknown", message, span, help=help)
