"""Initial weights from other runs."""

from __future__ import annotations

from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from graphssl.compiler.build import own_module
from graphssl.ir.graph import Graph, Node
from graphssl.language.runs import Origin, difference, read_origin
from graphssl.runtime.errors import RunError


def start_from_runs(module: nn.Module, graph: Graph) -> list[str]:
    """Give every node with `from` the weights of its run, and every copy of such a node the same; their names."""
    loaded: dict[str, bool] = {}

    def visit(node: Node) -> bool:
        if node.name not in loaded:
            loaded[node.name] = False
            own = own_module(module, node)
            source = graph.module_of(graph.nodes[node.of.node]) if node.of else None
            if own is not None and node.attrs.get("from"):
                _load(own, node)
                loaded[node.name] = True
            elif own is not None and source is not None and node.attrs.get("init") == "copy" and visit(source):
                own.load_state_dict(getattr(module, source.name.replace("/", "_")).state_dict())
                loaded[node.name] = True
        return loaded[node.name]

    return [node.name for node in graph if visit(node)]


def _load(own: nn.Module, node: Node) -> None:
    found: list[Any] = []
    origin = read_origin(str(node.attrs["from"]), node.name, node.place("from"), found.append)
    if origin is None:
        raise RunError(f"`{node.name}` cannot start: {found[0].message}")
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


def misfit(own: nn.Module, node: Node, origin: Origin) -> str | None:
    """How a node's weights differ in name or shape from those saved in the run, in words."""
    mine = {name: tuple(tensor.shape) for name, tensor in own.state_dict().items()}
    part = bool(node.signature.needed(node.attrs, list(node.outputs)))
    return difference(mine, origin.shapes(), part=part, spare=node.signature.spare_weights)
