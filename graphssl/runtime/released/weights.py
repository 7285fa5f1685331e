"""What a checkpoint of others holds for the nodes of a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor, nn

from graphssl.ir.graph import Graph, Node
from graphssl.language.diagnostics import did_you_mean
from graphssl.language.runs import difference
from graphssl.runtime.errors import RunError
from graphssl.runtime.released.file import read_file
from graphssl.runtime.released.layouts import LAYOUTS
from graphssl.runtime.released.names import Layout, Network, Part, layers_of
from graphssl.runtime.released.positions import fit_positions


@dataclass(frozen=True)
class Found:
    """The tensors of one node, by our names; from which network; what was changed in words."""

    tensors: dict[str, Tensor]
    network: str
    taken: frozenset[str]
    changed: str


@dataclass(frozen=True)
class Released:
    """A file of weights: its tensors by name, how it is laid out, and the networks in it."""

    file: Path
    tensors: Mapping[str, Tensor]
    layout: Layout
    networks: tuple[Network, ...]

    def network(self, name: str = "", *, slow: bool | None = None) -> Network:
        """The network of this name; else one that is slow or not, as asked, and else the one that the authors evaluate."""
        if name:
            known = {each.name: each for each in self.networks}
            if name not in known:
                help = did_you_mean(name, known, "network")
                raise RunError(f"`{self.file}` ({self.layout.title}) has no network `{name}`: {help}")
            return known[name]
        return next((each for each in self.networks if each.slow is slow), self.networks[0])

    def of(self, graph: Graph, node: Node, own: nn.Module, network: Network) -> Found | None:
        """What it has for a node; None: it has nothing of the kind."""
        part = self.part(graph, node)
        if part is None:
            return None
        names = self.layout.read(part, network, self.tensors, layers_of(own))
        if not names:
            return None
        tensors = {ours: self.tensors[theirs[0]] for ours, theirs in names.items()}
        changed = fit_positions(tensors, own)
        return Found(tensors, network.name, frozenset(chain.from_iterable(names.values())), changed)

    def part(self, graph: Graph, node: Node) -> Part | None:
        op = node.signature.name
        alike = [each.name for each in graph.of_kind("module") if each.op.name == op]
        return self.layout.part(op, alike.index(node.root) if node.root in alike else 0)


def open_released(file: Path, *, shapes: bool = False) -> Released:
    """A file of weights; RunError when it cannot be read. shapes: the tensors are on the meta device."""
    tensors = read_file(file, shapes=shapes)
    for layout in LAYOUTS:
        if networks := layout.networks_in(tensors):
            return Released(file, tensors, layout, tuple(networks))
    raise RunError(f"`{file}` holds no weights by name")


def differs(own: nn.Module, node: Node, found: Found) -> str | None:
    """The first way in which a node and the tensors for it differ, in words."""
    part = bool(node.signature.needed(node.attrs, list(node.outputs)))
    theirs = {name: tuple(tensor.shape) for name, tensor in found.tensors.items()}
    return difference(needed(own, node, found), theirs, part=part, spare=node.signature.spare_weights)


def needed(own: nn.Module, node: Node, found: Found) -> dict[str, tuple[int, ...]]:
    """Shapes of a node's tensors that a file must have; not a `mask_token`, and not the counts of batches."""
    shapes = {name: tuple(tensor.shape) for name, tensor in own.state_dict().items()}

    def spare(name: str) -> bool:
        return name in node.signature.spare_weights or name.endswith(".num_batches_tracked")

    return {name: shape for name, shape in shapes.items() if name in found.tensors or not spare(name)}


def put(own: nn.Module, node: Node, found: Found) -> int:
    """Copy the tensors into a node's module; how many."""
    mine = own.state_dict()
    names = needed(own, node, found)
    with torch.no_grad():
        for name in names:
            mine[name].copy_(found.tensors[name])
    return len(names)
