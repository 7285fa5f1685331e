"""The typed graph of one method: frozen nodes in an order in which one step can compute them.

networkx is used in this file only, and imported where a loop has to be found: it takes longer than drawing a method.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

from graphssl.ir.plan import Plan
from graphssl.ir.signature import Link, Op
from graphssl.ir.types import Edge, Value
from graphssl.language.diagnostics import Span
from graphssl.language.spec import Ref, Spec
from graphssl.language.train import Train


@dataclass(frozen=True)
class Node:
    """One box of the picture.

    inputs: references by input port. given: what arrives there. outputs: what each used port gives.
    signature: the op whose ports it has; for a link, that of the module it links to.
    of: the node a link calls again; root: the node whose weights' structure it has (itself for a module).
    pairs: which elements of the first two inputs a loss compares. spans: places of the node's keys.
    """

    name: str
    op: type[Op]
    signature: type[Op]
    attrs: Mapping[str, Any]
    inputs: Mapping[str, tuple[Ref, ...]]
    given: Mapping[str, Edge]
    outputs: Mapping[str, Edge]
    span: Span
    spans: Mapping[str, Span]
    of: Ref | None = None
    root: str | None = None
    pairs: tuple[tuple[int, int], ...] | None = None
    broken: bool = False

    @property
    def kind(self) -> str:
        return self.op.kind

    @property
    def listed(self) -> bool:
        return any(edge.listed for edge in self.outputs.values())

    @property
    def delayed(self) -> bool:
        """Everything it takes is stored for a later step, so it can be read before its input exists."""
        return bool(self.op.inputs) and all(i.delayed for i in self.op.inputs.values())

    @property
    def shares(self) -> bool:
        """Whether it calls weights that belong to another node, rather than a copy of them."""
        return issubclass(self.op, Link) and self.op.trained

    @property
    def carries_gradient(self) -> bool:
        """Whether gradient flows back through one of its outputs."""
        return any(edge.grad for edge in self.outputs.values())

    @property
    def always_eval(self) -> bool:
        """Whether its layers stay in eval mode while the rest is trained."""
        return bool(self.attrs.get("frozen")) or self.attrs.get("mode") == "eval"

    def gives(self, kind: str) -> bool:
        """Whether one of its outputs is of this kind."""
        return any(value.kind == kind for edge in self.outputs.values() for value in edge.values)

    @property
    def path(self) -> list[str]:
        """Input ports that evaluation needs, too."""
        return [port for port in self.inputs if not self.signature.inputs[port].training_only]

    def refs(self) -> Iterator[tuple[str, Ref]]:
        """Every reference with the input port it arrives at."""
        for port, refs in self.inputs.items():
            for ref in refs:
                yield port, ref

    def output(self, port: str) -> Ref:
        """The reference to an output; its text is the name that a step keeps the value under."""
        return Ref(self.name, None if port == self.signature.default_port() else port, self.span)

    def place(self, key: str) -> Span:
        return self.spans.get(key, self.span)


@dataclass(frozen=True)
class Flow:
    """Who follows whom within one step: names in file order, as keys."""

    after: dict[str, dict[str, None]]
    before: dict[str, dict[str, None]]


@dataclass(frozen=True)
class Graph:
    """A method: nodes in computing order (delayed inputs and links allowed to point forward)."""

    name: str
    title: str
    nodes: Mapping[str, Node]
    represent: Ref | None
    monitors: tuple[tuple[str, Ref], ...]
    train: Train | None
    spec: Spec
    _flow: Flow = field(repr=False, compare=False)
    plan: Plan = field(default=Plan(), repr=False, compare=False)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes.values())

    @property
    def in_parts(self) -> bool:
        """Whether a step is cut in two, so that micro-batches have one loss."""
        return bool(self.train and self.train.micro_batch)

    def in_order(self) -> list[Node]:
        """The nodes in the order in which a step computes them."""
        return [self.nodes[name] for name in self.plan.order or self.nodes]

    def planned(self, **changes: Any) -> Graph:
        """The graph with another plan (`Plan`)."""
        return replace(self, plan=replace(self.plan, **changes))

    def fed(self, node: Node) -> str:
        """How a module takes a list of views: `per_view`, `joint` or `by_size`."""
        asked = [node.attrs, self.nodes[node.root].attrs if node.root else {}]
        return self.plan.batch.get(node.name) or next(
            (attrs["batch"] for attrs in asked if attrs.get("batch")), "per_view"
        )

    def of_kind(self, *kinds: str) -> list[Node]:
        return [node for node in self if node.kind in kinds]

    def sources(self) -> list[Node]:
        return self.of_kind("source")

    def losses(self) -> list[Node]:
        return self.of_kind("loss")

    def port(self, ref: Ref) -> str:
        return ref.port or self.nodes[ref.node].signature.default_port()

    def canonical(self, ref: Ref) -> Ref:
        """The reference with its port left out where that is the default one."""
        return replace(self.nodes[ref.node].output(self.port(ref)), span=ref.span)

    def edge(self, ref: Ref) -> Edge | None:
        node = self.nodes.get(ref.node)
        return node.outputs.get(self.port(ref)) if node and node.signature.outputs else None

    def values(self, ref: Ref) -> tuple[Value, ...]:
        edge = self.edge(ref)
        return edge.values if edge else ()

    def consumers(self, name: str) -> list[tuple[Node, str]]:
        """Nodes that take an output of `name`, with the input port it arrives at."""
        return [(node, port) for node in self for port, ref in node.refs() if ref.node == name]

    def ancestors(self, names: Iterable[str]) -> set[str]:
        """Everything that `names` are computed from in one step, and `names` themselves."""
        return _reached(self._flow.before, names)

    def descendants(self, names: Iterable[str]) -> set[str]:
        """Everything that is computed from `names` in one step, and `names` themselves."""
        return _reached(self._flow.after, names)

    def links_to(self, name: str) -> list[Node]:
        return [node for node in self if node.of and node.of.node == name]

    def without_downloads(self) -> Graph:
        """The graph with random weights where it asks for pretrained ones."""

        def random(node: Node) -> Node:
            return replace(node, attrs={**node.attrs, "pretrained": False}) if node.attrs.get("pretrained") else node

        return replace(self, nodes={name: random(node) for name, node in self.nodes.items()})

    def module_of(self, node: Node) -> Node:
        """The node that owns the weights a call uses: itself, or what a `share` shares."""
        while node.shares and node.of and node.of.node in self.nodes:
            node = self.nodes[node.of.node]
        return node


def order(names: list[str], edges: Iterable[tuple[str, str]]) -> tuple[list[str], list[list[str]], Flow]:
    """Names so that every edge points forward (file order where free), and the loops that stand against it, none connected."""
    flow = Flow({name: {} for name in names}, {name: {} for name in names})
    for a, b in edges:
        if a in flow.after and b in flow.after:
            flow.after[a][b] = flow.before[b][a] = None
    rank = {name: i for i, name in enumerate(names)}
    try:
        return _sorted(flow, rank), [], flow
    except CycleError:
        return names, sorted(_loops(flow, rank), key=lambda loop: rank[loop[0]]), flow


def _sorted(flow: Flow, rank: Mapping[str, int]) -> list[str]:
    """A topological order, of those names that are ready always the first of the file. Raises CycleError."""
    sorter = TopologicalSorter(flow.before)
    sorter.prepare()
    ready = [(rank[name], name) for name in sorter.get_ready()]
    heapq.heapify(ready)
    found = []
    while ready:
        _, name = heapq.heappop(ready)
        found.append(name)
        sorter.done(name)
        for more in sorter.get_ready():
            heapq.heappush(ready, (rank[more], more))
    return found


def _loops(flow: Flow, rank: Mapping[str, int]) -> Iterator[list[str]]:
    """A loop of each set of nodes that can all be reached from each other, from its first node on."""
    import networkx as nx

    graph = nx.DiGraph(flow.after)
    for nodes in nx.strongly_connected_components(graph):
        if len(nodes) > 1 or any(graph.has_edge(name, name) for name in nodes):
            loop = [a for a, _ in nx.find_cycle(graph.subgraph(nodes), min(nodes, key=rank.__getitem__))]
            first = loop.index(min(loop, key=rank.__getitem__))
            yield loop[first:] + loop[:first]


def _reached(next: Mapping[str, Mapping[str, None]], starts: Iterable[str]) -> set[str]:
    found = {name for name in starts if name in next}
    todo = list(found)
    while todo:
        for name in next[todo.pop()]:
            if name not in found:
                found.add(name)
                todo.append(name)
    return found
