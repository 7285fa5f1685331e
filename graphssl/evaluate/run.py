"""Evaluating a finished run: its method and its last checkpoint, on a device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from graphssl.ir.graph import Graph
from graphssl.pipeline import Method, load
from graphssl.runtime import checkpoint
from graphssl.runtime.errors import RunError
from graphssl.runtime.folder import RunFolder
from graphssl.runtime.precision import precision_on
from graphssl.runtime.start import compiled


def load_run(path: str | Path, *, random: bool = False, plugins: Sequence[str] = ()) -> tuple[Method, nn.Module]:
    """The method of a run and its module with the weights of the last checkpoint (or, `random`, the first)."""
    folder = RunFolder(path)
    folder.require()
    method = load(str(folder.method_file), plugins=plugins)
    recipe = method.checked_graph().train
    torch.manual_seed(recipe.seed if recipe else 0)
    module = compiled(method, pretrained=random)
    if not random:
        latest = folder.latest_checkpoint()
        if latest is None:
            raise RunError(f"`{folder.path}` has no checkpoint yet")
        checkpoint.load_module(latest, module)
    return method, module.eval()


def load_features(path: str | Path, *, random: bool = False, plugins: Sequence[str] = ()) -> tuple[Method, nn.Module]:
    """`load_run` of a method that has features; raises RunError where it has no `represent`."""
    method, module = load_run(path, random=random, plugins=plugins)
    if method.checked_graph().represent is None:
        raise RunError(f"`{method.checked_graph().name}` has no `represent:`, so there are no features to use")
    return method, module


def place(
    module: nn.Module, graph: Graph, device: str | None, *, half: bool = True
) -> tuple[torch.device, str, Callable[[], Any]]:
    """Put the module on its device; that, the precision of the run there (fp32 if not `half`), and its autocast."""
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    module.to(where).to(memory_format=torch.channels_last)
    precision = precision_on(graph.train.precision, where) if graph.train and half else "fp32"
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    return (
        where,
        precision,
        lambda: torch.autocast(where.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None),
    )
