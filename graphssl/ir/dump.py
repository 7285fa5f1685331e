"""A graph as stable text, and its fingerprint: the same file gives the same bytes in every process."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from graphssl.ir.graph import Graph, Node


def dump(graph: Graph) -> str:
    """One line a node in computing order, with the attributes that make numbers (defaults filled in) and types."""
    lines = [f"graph {graph.name}"]
    lines += [f"  {_node(node)}" for node in graph]
    lines += [f"  represent {graph.represent}"] if graph.represent else []
    lines += [f"  monitor {name} = {ref}" for name, ref in graph.monitors]
    if graph.train:
        fields = {k: v for k, v in vars(graph.train).items() if k not in ("span", "spans", "groups")}
        lines += [f"  train {key} = {shown(value)}" for key, value in fields.items()]
        for group in graph.train.groups:
            rule = {k: v for k, v in vars(group).items() if k not in ("span", "name")}
            lines.append(f"  group {group.name} = {shown(rule)}")
    return "\n".join(lines) + "\n"


def fingerprint(graph: Graph) -> str:
    """SHA-256 of the dump, in hex."""
    return hashlib.sha256(dump(graph).encode()).hexdigest()


def _node(node: Node) -> str:
    inputs = [f"{port}={'+'.join(map(str, refs))}" for port, refs in node.inputs.items()]
    link = [f"of={node.of}"] if node.of else []
    known = {**node.signature.attrs, **node.op.attrs}
    attrs = [f"{key}={shown(value)}" for key, value in sorted(node.attrs.items()) if not known[key].neutral]
    pairs = [f"over={list(node.pairs)}"] if node.pairs is not None else []
    outputs = ", ".join(f"{port}: {edge}" for port, edge in node.outputs.items())
    return f"{node.name} = {node.op.name}({', '.join([*link, *inputs, *attrs, *pairs])}) -> {outputs}"


def shown(value: Any) -> str:
    """A value as it stands in a dump: equal text means equal value."""
    return json.dumps(value, default=repr)
