"""Initial weights from other runs, and from files that others released."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from graphssl.compiler.build import own_module
from graphssl.ir.graph import Graph, Node
from graphssl.language.runs import Origin, difference, read_origin
from graphssl.runtime.errors import RunError
from graphssl.runtime.released.weights import Found, Released, differs, open_released, put


def start_from_runs(module: nn.Module, graph: Graph) -> list[str]:
    """Give every node with `from` the weights of its run or file, and every copy of such a node the same.

    Returns what a person should know of the files: how each was read, and what of it was left out.
    """
    loaded: dict[str, bool] = {}
    told: list[str] = []

    def visit(node: Node) -> bool:
        if node.name not in loaded:
            loaded[node.name] = False
            own = own_module(module, node)
            source = graph.module_of(graph.nodes[node.of.node]) if node.of else None
            if own is not None and node.attrs.get("from"):
                told.extend(_load(graph, own, node))
                loaded[node.name] = True
            elif own is not None and source is not None and node.attrs.get("init") == "copy" and visit(source):
                own.load_state_dict(getattr(module, source.name.replace("/", "_")).state_dict())
                loaded[node.name] = True
        return loaded[node.name]

    for node in graph:
        visit(node)
    return told


def _load(graph: Graph, own: nn.Module, node: Node) -> list[str]:
    found: list[Any] = []
    origin = read_origin(str(node.attrs["from"]), node.name, node.place("from"), found.append)
    if origin is None:
        raise RunError(f"`{node.name}` cannot start: {found[0].message}")
    if origin.file:
        released, weights = from_file(graph, node, own, origin.file, origin.node)
        count = put(own, node, weights)
        changed = f"; {weights.changed}" if weights.changed else ""
        return [
            f"{node.name} starts as `{weights.network}` of {origin.file} ({released.layout.title}): {count} tensors{changed}"
        ]
    if origin.checkpoint is None:
        raise RunError(
            f"`{node.name}` starts from a run, and `{origin.place}` is a method: "
            f"name a finished run of it, for example with --set nodes.{node.name.partition('/')[0]}.from=RUN"
        )
    mine = own.state_dict()
    words = misfit(own, node, origin)
    if words:
        raise RunError(f"`{node.name}` does not fit the run `{origin.place}`: it {words}")
    prefix = origin.node.replace("/", "_")
    try:
        with safe_open(origin.checkpoint / "model.safetensors", framework="pt") as file, torch.no_grad():
            for name, tensor in mine.items():
                tensor.copy_(file.get_tensor(f"{prefix}.{name}"))
    except (OSError, SafetensorError, RuntimeError) as error:  # the last: a shape that differs from that of the header
        raise RunError(f"cannot read `{origin.checkpoint / 'model.safetensors'}`: {error}") from None
    return []


def misfit(own: nn.Module, node: Node, origin: Origin) -> str | None:
    """How a node's weights differ in name or shape from those saved in the run, in words."""
    mine = {name: tuple(tensor.shape) for name, tensor in own.state_dict().items()}
    part = bool(node.signature.needed(node.attrs, list(node.outputs)))
    return difference(mine, origin.shapes(), part=part, spare=node.signature.spare_weights)


def from_file(
    graph: Graph, node: Node, own: nn.Module, file: Path, network: str, *, shapes: bool = False
) -> tuple[Released, Found]:
    """What a file that others released holds for a node; RunError with the first tensor that does not fit."""
    released = open_released(file, shapes=shapes)
    found = released.of(graph, node, own, released.network(network))
    if found is None:
        raise RunError(f"`{file}` ({released.layout.title}) has nothing for `{node.name}`, {node.signature.term}")
    if words := differs(own, node, found):
        raise RunError(f"`{node.name}` does not fit `{file}` ({released.layout.title}): it {words}")
    return released, found
