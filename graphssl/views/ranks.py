"""Which column each box stands in: time runs left to right, a copy stands under its original, losses at the right."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from graphssl.views.scene import Arrow, Scene

FLOW = ("gradient", "data")
LINKS = ("ema", "copy", "share")


@dataclass(frozen=True)
class Join:
    """A list of values that several boxes take as a whole: drawn as one edge that divides after its parts have met.

    members: the (box, port) pairs of the list, in order. takers: the (box, input port) pairs that take it.
    """

    name: str
    members: tuple[tuple[str, str], ...]
    takers: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Ranks:
    """columns: of every box and join, without holes. backward: indices of edges that are led around, not forward."""

    columns: Mapping[str, int]
    joins: tuple[Join, ...]
    backward: frozenset[int]


def ranks(scene: Scene) -> Ranks:
    """The column of every box: one more than the last of what it needs (longest path)."""
    names = [box.name for box in scene.boxes]
    forward = _acyclic(names, scene.edges)
    joins = _joins(scene.edges, forward)
    steps = _with_joins(scene.edges, forward, joins)
    nodes = [*names, *(join.name for join in joins)]
    together = _together(nodes, steps, scene.edges)
    start = {together[box.name]: 1 for box in scene.boxes if box.kind != "source"}
    columns = _longest(nodes, {(together[a], together[b]) for a, b in steps}, together, start)
    columns = _late(scene, columns, steps, joins)
    used = {column: i for i, column in enumerate(sorted(set(columns.values())))}
    backward = {
        i
        for i, arrow in enumerate(scene.edges)
        if (arrow.kind not in LINKS and i not in forward) or columns[arrow.source] >= columns[arrow.target]
    }
    return Ranks({name: used[column] for name, column in columns.items()}, joins, frozenset(backward))


def _acyclic(names: list[str], edges: Sequence[Arrow]) -> set[int]:
    """Indices of edges that all point forward at once: those of the step first, then stored values where they fit."""
    out: dict[str, list[tuple[str, int]]] = {name: [] for name in names}
    for i, arrow in enumerate(edges):
        if arrow.kind in FLOW:
            out[arrow.source].append((arrow.target, i))
    kept: set[int] = set()
    done: set[str] = set()
    for root in names:
        open_: dict[str, int] = {}
        stack = [(root, 0)] if root not in done else []
        while stack:
            name, at = stack.pop()
            open_[name] = 1
            if at == len(out[name]):
                del open_[name]
                done.add(name)
                continue
            stack.append((name, at + 1))
            target, i = out[name][at]
            if target not in open_:
                kept.add(i)
                if target not in done:
                    stack.append((target, 0))
    steps = {(edges[i].source, edges[i].target) for i in kept}
    for i, arrow in enumerate(edges):
        if arrow.kind == "write" and arrow.source not in _reachable([arrow.target], steps):
            kept.add(i)
            steps.add((arrow.source, arrow.target))
    return kept


def _reachable(starts: Iterable[str], steps: Collection[tuple[str, str]]) -> set[str]:
    after: dict[str, list[str]] = {}
    for a, b in steps:
        after.setdefault(a, []).append(b)
    found, stack = set(starts), list(starts)
    while stack:
        for name in after.get(stack.pop(), ()):
            if name not in found:
                found.add(name)
                stack.append(name)
    return found


def _joins(edges: Sequence[Arrow], forward: set[int]) -> tuple[Join, ...]:
    """Lists of two or more references that two or more boxes take."""
    lists: dict[tuple[str, str], list[int]] = {}
    for i, arrow in enumerate(edges):
        if arrow.kind in FLOW:
            lists.setdefault((arrow.target, arrow.into), []).append(i)
    takers: dict[tuple[tuple[str, str], ...], list[tuple[str, str]]] = {}
    for taker, indices in lists.items():
        members = tuple((edges[i].source, edges[i].port) for i in indices)
        if len(members) > 1 and len(set(members)) == len(members) and all(i in forward for i in indices):
            takers.setdefault(members, []).append(taker)
    shared = [(members, found) for members, found in takers.items() if len({box for box, _ in found}) > 1]
    return tuple(Join(f"join {i}", members, tuple(found)) for i, (members, found) in enumerate(shared))


def _with_joins(edges: Sequence[Arrow], forward: set[int], joins: tuple[Join, ...]) -> set[tuple[str, str]]:
    """Steps from box to box or join that must point right."""
    by_taker = {taker: join for join in joins for taker in join.takers}
    steps = set()
    for i in forward:
        arrow = edges[i]
        join = by_taker.get((arrow.target, arrow.into)) if arrow.kind in FLOW else None
        steps |= {(arrow.source, join.name), (join.name, arrow.target)} if join else {(arrow.source, arrow.target)}
    return steps


def _together(nodes: list[str], steps: set[tuple[str, str]], edges: Sequence[Arrow]) -> dict[str, str]:
    """For each node the first of those that stand in its column: a copy with what it copies, where time allows."""
    leader = {name: name for name in nodes}
    for arrow in edges:
        a, b = leader[arrow.source], leader[arrow.target]
        if arrow.kind not in LINKS or a == b:
            continue
        quotient = {(leader[x], leader[y]) for x, y in steps}
        if b in _reachable([a], quotient) or a in _reachable([b], quotient):
            continue
        leader = {name: a if first == b else first for name, first in leader.items()}
    return leader


def _longest(
    nodes: list[str], steps: set[tuple[str, str]], leader: Mapping[str, str], start: Mapping[str, int]
) -> dict[str, int]:
    before: dict[str, int] = dict.fromkeys(leader.values(), 0)
    after: dict[str, list[str]] = {}
    for a, b in steps:
        before[b] += 1
        after.setdefault(a, []).append(b)
    column = {name: start.get(name, 0) for name in before}
    ready = [name for name, count in before.items() if count == 0]
    while ready:
        name = ready.pop()
        for b in after.get(name, ()):
            column[b] = max(column[b], column[name] + 1)
            before[b] -= 1
            if before[b] == 0:
                ready.append(b)
    return {name: column[leader[name]] for name in nodes}


def _late(
    scene: Scene, columns: dict[str, int], steps: set[tuple[str, str]], joins: tuple[Join, ...]
) -> dict[str, int]:
    """Losses in a column of their own behind everything else, and what only they take right before them."""
    kind = {box.name: box.kind for box in scene.boxes} | {join.name: "join" for join in joins}
    after: dict[str, list[str]] = {}
    fed: set[str] = set()
    for a, b in sorted(steps):
        after.setdefault(a, []).append(b)
        fed.add(b)
    final = {n for n, k in kind.items() if k == "loss" and all(kind[b] == "total" for b in after.get(n, ()))}
    last = max([c for n, c in columns.items() if n not in final and kind[n] != "total"], default=-1) + 1
    columns = {n: last if n in final else last + 1 if kind[n] == "total" else c for n, c in columns.items()}
    linked = {name for a in scene.edges if a.kind in LINKS for name in (a.source, a.target)}
    for name in columns:
        consumers = after.get(name, [])
        if name in fed or name in linked or not consumers or kind[name] == "total":
            continue
        if kind[name] != "source" or all(kind[b] == "loss" for b in consumers):
            columns[name] = max(columns[name], min(columns[b] for b in consumers) - 1)
    return columns
