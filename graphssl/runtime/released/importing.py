"""A run folder made of a checkpoint that others released, so that what works on runs works on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from graphssl.compiler.build import own_module
from graphssl.ir.graph import Graph, Node
from graphssl.pipeline import load
from graphssl.runtime import checkpoint
from graphssl.runtime.errors import RunError
from graphssl.runtime.folder import RunFolder
from graphssl.runtime.released.weights import differs, open_released, put
from graphssl.runtime.start import compiled


def import_released(
    file: str | Path,
    method: str,
    out: str | Path,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    *,
    plugins: Sequence[str] = (),
) -> list[str]:
    """Make the run folder `out` of `method` at step 0 with the weights of a file; what was taken and what not, in words.

    Slow copies take the slow network of the file (a teacher, a key encoder), other nodes the one that was trained; where the file
    has one of them, all take it. What the file has nothing for stays as the method begins it.

    Raises:
        RunError: the file cannot be read, a node does not fit it (the first tensor is named), none takes anything from it,
            or the folder holds something.
        GraphError: the method has errors.
    """
    loaded = load(method, overrides, plugins=plugins)
    graph = loaded.checked_graph()
    released = open_released(Path(file))
    torch.manual_seed(graph.train.seed if graph.train else 0)
    module = compiled(loaded, pretrained=False)
    lines, left, taken = [], [], set[str]()
    for node in graph:
        own = own_module(module, node)
        if own is None:
            continue
        network = released.network(slow=is_slow(graph, node))
        found = released.of(graph, node, own, network)
        if found is None:
            if any(True for _ in own.parameters()):
                left.append(node.name)
            continue
        if words := differs(own, node, found):
            raise RunError(f"`{node.name}` of `{method}` does not fit `{file}` ({released.layout.title}): it {words}")
        changed = f"; {found.changed}" if found.changed else ""
        lines.append(f"  {node.name:<9} {put(own, node, found)} tensors of `{found.network}`{changed}")
        taken |= found.taken
    if not lines:
        raise RunError(f"`{file}` ({released.layout.title}) has nothing for the nodes of `{method}`")
    folder = RunFolder(out)
    with folder.claimed():
        folder.require_empty()
        folder.begin(loaded.text())
        checkpoint.save(folder.checkpoints, 0, module.state_dict(), [], {"memory": {}}, keep=0)
        folder.summarize(
            method=graph.name, steps=0, imported={"file": Path(file).name, "layout": released.layout.title}
        )
    unused = sorted(set(released.tensors) - taken)
    return [
        f"{file}: {released.layout.title}, {len(released.tensors)} tensors -> {out}",
        *lines,
        *([f"  not in the file, as the method begins them: {', '.join(left)}"] if left else []),
        *([f"  not used of the file: {_some(unused)}"] if unused else []),
    ]


def is_slow(graph: Graph, node: Node) -> bool:
    """Whether a node's weights follow another's as a moving average."""
    return graph.module_of(node).op.name == "ema"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more
