"""Which node of one method plays the part of which node of another: by name, and where names differ, by place.

Evidence of a pair is what both share among pairs already found: what they link to, what they take, who takes them. The
best pair is fixed first and gives evidence to its neighbours; ties go to the earlier nodes, so the answer is always the same.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from graphssl.ir.dump import shown
from graphssl.ir.graph import Graph, Node

WINDOW = 40
"""How far apart in their order two nodes of one op may stand when there are very many of them."""
MANY = 200

_WORTH = {"of": 3.0, "in": 2.0, "out": 2.0, "copy": 1.0}
"""Evidence that one shared neighbour gives, by what it is: linked to, taken from, taken by, copied by."""
_OWN_KIND = ("source", "loss")
"""Kinds that never play the part of another kind."""


def match(a: Graph, b: Graph) -> dict[str, str]:
    """From each node of `a` that has a counterpart in `b`, its name there; in the order of `a`."""
    search = _Search(a, b)
    search.fix_same_names()
    search.run(alike=True)
    search.run(alike=False)
    search.run(alike=True)
    return {node.name: search.found[node.name] for node in a if node.name in search.found}


@dataclass(frozen=True)
class _Place:
    """Where a node stands: `near` holds (relation, port, neighbour)."""

    near: frozenset[tuple[str, str, str]]
    attributes: Mapping[str, str]
    rank: int


def _places(graph: Graph) -> dict[str, _Place]:
    near: dict[str, set[tuple[str, str, str]]] = defaultdict(set)
    for node in graph:
        for port, ref in node.refs():
            near[node.name].add(("in", port, ref.node))
            near[ref.node].add(("out", port, node.name))
        if node.of:
            near[node.name].add(("of", "", node.of.node))
            near[node.of.node].add(("copy", node.op.name, node.name))
    return {
        node.name: _Place(frozenset(near[node.name]), {k: shown(v) for k, v in node.attrs.items()}, rank)
        for rank, node in enumerate(graph)
    }


@dataclass
class _Search:
    a: Graph
    b: Graph
    found: dict[str, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.places = _places(self.a), _places(self.b)
        self.ops = Counter(_role(node) for node in self.a), Counter(_role(node) for node in self.b)

    def fix_same_names(self) -> None:
        """Pairs of the same name and role."""
        for node in self.a:
            other = self.b.nodes.get(node.name)
            if other and _role(node) == _role(other):
                self._fix(node.name, node.name)

    def run(self, *, alike: bool) -> None:
        """Fix the best pair until none is good enough: nodes of one role (`alike`), or of different ops in one place."""
        best = {pair: self._score(*pair, alike) for pair in self._candidates(alike)}
        heap = [self._entry(pair, score) for pair, score in best.items()]
        heapify(heap)
        while heap:
            score, _, _, pair = heappop(heap)
            if -score != best[pair] or score == 0 or pair[0] in self.found or pair[1] in self.taken:
                continue
            self._fix(*pair)
            for near in self._neighbours(*pair):
                if near in best and (again := self._score(*near, alike)) != best[near]:
                    best[near] = again
                    heappush(heap, self._entry(near, again))

    def _entry(self, pair: tuple[str, str], score: float) -> tuple[float, int, int, tuple[str, str]]:
        return -score, self.places[0][pair[0]].rank, self.places[1][pair[1]].rank, pair

    def _fix(self, x: str, y: str) -> None:
        self.found[x] = y
        self.taken.add(y)

    def _candidates(self, alike: bool) -> Iterator[tuple[str, str]]:
        free = [node for node in self.b if node.name not in self.taken]
        groups: dict[str, list[Node]] = defaultdict(list)
        for node in free:
            groups[_role(node) if alike else _family(node)].append(node)
        seen: Counter[str] = Counter()
        for node in self.a:
            if node.name in self.found:
                continue
            key = _role(node) if alike else _family(node)
            group, at = groups[key], seen[key]
            seen[key] += 1
            narrow = group[max(0, at - WINDOW) : at + WINDOW] if len(group) > MANY else group
            for other in narrow:
                yield node.name, other.name

    def _neighbours(self, x: str, y: str) -> Iterator[tuple[str, str]]:
        for _, _, near in sorted(self.places[0][x].near):
            for _, _, other in sorted(self.places[1][y].near):
                yield near, other

    def _score(self, x: str, y: str, alike: bool) -> float:
        """How well a pair fits; 0 where it is not good enough."""
        node, other = self.a.nodes[x], self.b.nodes[y]
        evidence, contradicted = self._evidence(x, y)
        if alike:
            sole = self.ops[0][_role(node)] == self.ops[1][_role(other)] == 1
            enough = evidence >= 2 or node.kind in _OWN_KIND or sole
        else:
            enough = (x == y and _plausible(node, other)) or self._same_place(x, y)
        if not enough or (contradicted and not evidence):
            return 0.0
        same = _similarity(self.places[0][x], self.places[1][y])
        return 1.0 + evidence + 2.0 * (x == y) + same - 2.0 * contradicted

    def _evidence(self, x: str, y: str) -> tuple[float, bool]:
        """Shared neighbours (half as much at another port), and whether they link to nodes that are not one another."""
        near = self.places[1][y].near
        without_port = {(relation, other) for relation, _, other in near}
        total, contradicted = 0.0, False
        for relation, port, neighbour in self.places[0][x].near:
            there = self.found.get(neighbour)
            if there is None:
                continue
            if (relation, port, there) in near:
                total += _WORTH[relation]
            elif (relation, there) in without_port:
                total += _WORTH[relation] / 2
            elif relation == "of" and any(r == "of" for r, _, _ in near):
                contradicted = True
        return total, contradicted

    def _same_place(self, x: str, y: str) -> bool:
        """One of the two is a link, one consumer takes both at one port, and one node is what both come from."""
        if "link" not in (self.a.nodes[x].kind, self.b.nodes[y].kind):
            return False
        near = self.places[1][y].near
        before = {other for relation, _, other in near if relation in ("of", "in")}
        mapped = [(r, p, self.found[n]) for r, p, n in self.places[0][x].near if n in self.found]
        fed = any(item in near for item in mapped if item[0] == "out")
        return fed and any(n in before for r, _, n in mapped if r in ("of", "in"))


def _role(node: Node) -> str:
    """Op, and for a link also the op whose weights it takes."""
    return f"{node.op.name} {node.signature.name}"


def _family(node: Node) -> str:
    """Kinds within which one op may take the place of another."""
    return node.kind if node.kind in _OWN_KIND else "flow"


def _plausible(node: Node, other: Node) -> bool:
    """Whether a node of the same name but another op is still the same node, changed."""
    return node.kind == other.kind or {node.kind, other.kind} <= {"module", "link", "pure"}


def _similarity(x: _Place, y: _Place) -> float:
    """Share of attributes that are equal, from 0 to 1."""
    keys = x.attributes.keys() | y.attributes.keys()
    return sum(x.attributes.get(k) == y.attributes.get(k) for k in keys) / len(keys) if keys else 1.0
