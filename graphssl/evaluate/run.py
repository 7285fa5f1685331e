"""Evaluating a finished run: its method, its last checkpoint, a labelled set of images."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor, nn

from graphssl.data.errors import DataError
from graphssl.data.sources import ImageSource, open_data
from graphssl.evaluate.features import eval_view, extract
from graphssl.evaluate.knn import knn_accuracy
from graphssl.ir.graph import Graph
from graphssl.pipeline import Method, load
from graphssl.pipeline import compile as compile_method
from graphssl.runtime import checkpoint
from graphssl.runtime.errors import RunError
from graphssl.runtime.folder import RunFolder
from graphssl.runtime.precision import precision_on


def load_run(path: str | Path, *, random: bool = False, plugins: Sequence[str] = ()) -> tuple[Method, nn.Module]:
    """The method of a run and its module with the weights of the last checkpoint (or, `random`, the first)."""
    folder = RunFolder(path)
    folder.require()
    method = load(str(folder.method_file), plugins=plugins)
    recipe = method.checked_graph().train
    torch.manual_seed(recipe.seed if recipe else 0)
    module = compile_method(method)
    if not random:
        latest = folder.latest_checkpoint()
        if latest is None:
            raise RunError(f"`{folder.path}` has no checkpoint yet")
        checkpoint.load_module(latest, module)
    return method, module.eval()


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


def knn_of_run(
    path: str,
    data: str,
    *,
    k: int = 20,
    temperature: float = 0.07,
    features: str = "encoder",
    device: str | None = None,
    workers: int = 0,
    plugins: Sequence[str] = (),
) -> dict[str, Any]:
    """kNN accuracy on the test split, with the settings that it depends on.

    features: `encoder` (the run's), `random` (the same before training), or `pixels`.
    """
    method, module = load_run(path, random=features == "random", plugins=plugins)
    graph = method.checked_graph()
    if graph.represent is None:
        raise RunError(f"`{graph.name}` has no `represent:`, so there are no features to evaluate")
    train, test = open_data(data, "train"), open_data(data, "test")
    if not train.classes or not test.classes:
        raise DataError(f"kNN needs labels, and `{data}` has none: use a folder with one subfolder per class")
    if k < 1 or temperature <= 0:
        raise RunError("kNN needs k ≥ 1 and a temperature > 0")
    if features == "pixels":
        module.represent = lambda images: images.flatten(1)  # type: ignore[assignment]
    where, precision, autocast = place(module, graph, device, half=features != "pixels")

    def all_features(source: ImageSource, name: str) -> tuple[Tensor, Tensor]:
        with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar:
            task = bar.add_task(name, total=len(source))
            return extract(
                module, graph, source, device=where, workers=workers, autocast=autocast,
                progress=lambda n: bar.advance(task, n),
            )  # fmt: skip

    bank, bank_labels = all_features(train, "training images")
    queries, labels = all_features(test, "test images")
    top1 = knn_accuracy(bank, bank_labels, queries, labels, k=k, temperature=temperature)
    names = {"encoder": str(graph.represent), "random": f"{graph.represent} (random weights)", "pixels": "raw pixels"}
    return {
        "top1": top1,
        "k": min(k, len(bank)),
        "temperature": temperature,
        "features": names[features],
        "bank": len(bank),
        "queries": len(queries),
        "image_size": eval_view(graph)[0],
        "precision": precision,
    }
