"""`--format moco_v1|…|dinov2`: a checkpoint with the names that the authors' own scripts read."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graphssl.compiler.build import own_module
from graphssl.export.source import Source
from graphssl.ir.graph import Node
from graphssl.runtime.errors import RunError
from graphssl.runtime.released.importing import is_slow
from graphssl.runtime.released.layouts import LAYOUTS, METHODS
from graphssl.runtime.released.names import Layout, Network, Part, layers_of
from graphssl.runtime.released.positions import positions_as_released
from graphssl.runtime.released.weights import open_released


def write(source: Source, folder: Path, name: str, *, method: str) -> list[str]:
    """The networks of a run as `name` (.pth) into a folder, in the layout of a method's release; what to tell."""
    backbone = source.encoder.backbone
    layout = next((each for each in LAYOUTS if each.method == method and each.fits(backbone)), None)
    if layout is None:
        raise RunError(f"the authors' code of {method} has no network like `{source.backbone_node.attrs['arch']}`")
    tensors: dict[str, Tensor] = {}
    lines = []
    for network in layout.networks:
        for part in layout.parts:
            if part.under is not None and network.slow:
                continue
            node = _node(source, layout, part, network)
            if node is None:
                continue
            found = _named(source, layout, part, network, node)
            tensors |= found
            lines.append(f"{len(found)} tensors of `{node.name}` as {network.name}")
    file = folder / name
    torch.save(_nested(tensors, layout), file)
    again = open_released(file)
    if any(not torch.equal(again.tensors[name], tensor) for name, tensor in tensors.items()):
        raise RunError(f"`{name}` does not read as it was written: this is a bug in graphssl")
    return [f"in the layout {layout.title}", *lines]


def _node(source: Source, layout: Layout, part: Part, network: Network) -> Node | None:
    """The node that is this part of a network: of a flat file, with the slow copy where there is one."""
    graph = source.graph
    place = [each for each in layout.parts if each.op == part.op].index(part)
    trained = [node for node in graph.of_kind("module") if node.op.name == part.op][place : place + 1]
    if not trained:
        return None
    copies = [node for node in graph if node.root == trained[0].name and is_slow(graph, node) and not node.shares]
    alone = len(layout.networks) == 1
    if network.slow:
        return copies[0] if copies else trained[0] if alone else None
    return trained[0]


def _named(source: Source, layout: Layout, part: Part, network: Network, node: Node) -> dict[str, Tensor]:
    own = own_module(source.module, node)
    assert own is not None
    mine: dict[str, Tensor] = {k: v.detach().clone() for k, v in own.state_dict().items()}
    root = own_module(source.module, source.graph.nodes[node.root or node.name])
    for spare in node.signature.spare_weights:  # the teacher never hides patches, and need not have the token
        if root is not None and spare in root.state_dict():
            mine.setdefault(spare, root.state_dict()[spare].detach().clone())
    positions_as_released(mine, own)
    names = layout.write(part, network, mine, layers_of(own))
    return {theirs: mine[ours] for theirs, ours in names.items()}


def _nested(tensors: dict[str, Tensor], layout: Layout) -> dict[str, Any]:
    """As the authors' dictionaries lie in each other: one for each first word of a prefix."""
    if not any(network.prefix for network in layout.networks):
        return dict(tensors)
    nested: dict[str, Any] = {}
    for name, tensor in tensors.items():
        top, _, rest = name.partition(".")
        nested.setdefault(top, {})[rest] = tensor
    return nested


FORMATS = {method: partial(write, method=method) for method in METHODS}
