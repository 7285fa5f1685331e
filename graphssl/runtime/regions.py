"""Compiling by region: torch.compile of the blocks that a method repeats, in place.

Blocks of one class, size and mode share one compilation, that of a slow copy's, which needs no gradient, is another. What stands between
the blocks, and the wiring of the graph, runs as it is written.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn

from graphssl.compiler.build import own_module
from graphssl.ir.graph import Graph
from graphssl.ops.modules.drop_path import drawing
from graphssl.ops.modules.stacks import repeated_blocks
from graphssl.runtime.errors import RunError

BACKEND = "inductor"
MOST_COMPILATIONS = 64
"""Of one class of block: image sizes, learning and slow copies, training and not, and numbers of views multiply."""


def compile_regions(module: nn.Module, graph: Graph) -> None:
    """Compile the blocks of every encoder and every head, the first time that each is called; names of weights stay."""
    import torch._dynamo as dynamo

    dynamo.config.recompile_limit = max(dynamo.config.recompile_limit, MOST_COMPILATIONS)
    for region in regions(module, graph):
        compiled = torch.compile(region.forward, backend=BACKEND, fullgraph=True, dynamic=False)
        region.forward = drawing(region, compiled)


def regions(module: nn.Module, graph: Graph) -> list[Any]:
    """What is compiled: blocks, or the whole of a module that has none, such as a head; no single layer."""
    owners = [own_module(module, node) for node in graph if node.kind in ("module", "link")]
    return [
        region
        for owner in owners
        if owner is not None
        for region in repeated_blocks(owner) or ([owner] if any(owner.children()) else [])
    ]


def as_written(compiled: bool) -> AbstractContextManager[Any]:
    """Within, what was compiled runs as it is written: for batches that come once, and for those who look into it."""
    return torch.compiler.set_stance("force_eager") if compiled else nullcontext()


def why_not_compiled(error: Exception) -> str | None:
    """In one sentence, for an error of the compiler; of other errors nothing."""
    if not type(error).__module__.startswith(("torch._dynamo.", "torch._inductor.")):
        return None
    where = f"`{node}`" if (node := getattr(error, "graphssl_node", None)) else "the method"
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return f"torch cannot compile {where}: leave --compile out ({reason})"


def require_compiler(device: torch.device, graph: Graph) -> None:
    """A RunError where there is nothing to compile with, or blocks are computed again.

    Of two compilations with equal guards the repetition may take another than the forward took, which keeps other tensors.
    """
    for node in graph:
        if node.attrs.get("checkpoint"):
            raise RunError(f"`{node.name}` has `checkpoint: true`, which --compile cannot keep: leave one of them out")
    if BACKEND != "inductor":
        return
    if device.type == "cuda":
        from torch.utils._triton import has_triton

        if not has_triton():
            raise RunError("--compile needs Triton on a GPU, and it is not here: install it, or leave --compile out")
        return
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        raise RunError(
            "--compile needs a C++ compiler, and there is none: install g++, or leave --compile out"
        ) from None
