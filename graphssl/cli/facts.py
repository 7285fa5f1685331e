"""`show`: what can be said about a method without training it, as plain data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphssl.checks.dry_run import measure, on_meta
from graphssl.ir.graph import Graph, Node
from graphssl.language.schedule import Curve, Schedule

STEPS_PER_EPOCH = 100  # schedules are shown for epochs of so many steps


def method_facts(graph: Graph) -> dict[str, Any]:
    """nodes, totals, groups of the optimizer, and schedules at the start, 10 % and the end of the training."""
    measured = measure(graph)
    nodes = {node.name: _node(graph, node, measured[node.name]) for node in graph}
    trained = sum(facts["trainable"] for facts in nodes.values() if facts["weights"] == "trained")
    copies = {kind: sum(f["parameters"] for f in nodes.values() if f["weights"] == kind) for kind in ("ema", "frozen")}
    return {
        "name": graph.name,
        "title": graph.title,
        "represent": str(graph.represent) if graph.represent else None,
        "nodes": nodes,
        "total": {
            "trained": trained,
            **copies,
            "state_bytes": sum(facts["state_bytes"] for facts in nodes.values()),
            "flops_per_image": sum(facts["flops_per_image"] for facts in nodes.values()),
        },
        "groups": _groups(graph),
        "schedules": _schedules(graph),
    }


def _node(graph: Graph, node: Node, measured: dict[str, Any]) -> dict[str, Any]:
    weights = {"module": "frozen" if node.attrs.get("frozen") else "trained", "state": "state"}.get(node.kind, "")
    if node.kind == "link":
        weights = f"of {graph.module_of(node).name}" if node.shares else node.op.name
    weights = "observer" if node.op.observer else weights
    still = 0 if weights in ("trained", "observer") else measured["parameter_bytes"]
    return {
        "op": node.op.name,
        "takes": [str(ref) for _, ref in node.refs()],
        "outputs": measured["outputs"],
        "parameters": measured["parameters"],
        "trainable": measured["trainable"],
        "weights": weights,
        "state_bytes": still + measured["buffer_bytes"],
        "flops_per_image": measured["flops"],
    }


def _groups(graph: Graph) -> list[dict[str, Any]]:
    """Each group of `train.groups`, and the rest, with what is in it."""
    if graph.train is None:
        return []
    from graphssl.runtime.optim import members

    found = members(on_meta(graph), graph, graph.train)
    groups = []
    for rule in [*graph.train.groups, None]:
        mine = [member for member in found if member.rule is rule]
        decay = graph.train.weight_decay if rule is None or rule.weight_decay is None else rule.weight_decay
        groups.append(
            {
                "name": rule.name if rule else "rest",
                "tensors": len(mine),
                "parameters": sum(member.parameter.numel() for member in mine),
                "nodes": list(dict.fromkeys(member.node for member in mine)),
                "kinds": list(dict.fromkeys(member.name.rpartition(".")[2] for member in mine)),
                "weight_decay": decay if isinstance(decay, float) else _bound(decay, graph)(0),
                "lr_scale": _range(
                    (rule.lr_scale if rule and rule.lr_scale is not None else 1.0) * m.lr_scale for m in mine
                ),
            }
        )
    return groups


def _range(values: Iterable[float]) -> list[float]:
    """The lowest and the highest; nothing of nothing."""
    found = sorted(values)
    return [found[0], found[-1]] if found else []


def _schedules(graph: Graph) -> dict[str, list[float]]:
    """Values at the start, 10 % and the end, by name."""
    curves = {
        f"{node.name}.{key}": _bound(value, graph)
        for node in graph
        for key, value in node.attrs.items()
        if isinstance(value, Schedule)
    }
    if graph.train:
        steps = _steps(graph)
        curves = {
            "lr": graph.train.lr_curve(steps, STEPS_PER_EPOCH),
            "weight_decay": _bound(graph.train.weight_decay, graph),
            **curves,
        }
    places = (0, _steps(graph) // 10, _steps(graph))
    return {name: [curve(place) for place in places] for name, curve in curves.items()}


def _steps(graph: Graph) -> int:
    return round(graph.train.epochs * STEPS_PER_EPOCH) if graph.train else 100 * STEPS_PER_EPOCH


def _bound(schedule: Schedule, graph: Graph) -> Curve:
    return schedule.bind(_steps(graph), STEPS_PER_EPOCH)
