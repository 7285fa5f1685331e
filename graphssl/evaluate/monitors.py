"""What a finished run would log on images it was not trained on: its losses and monitors, in eval mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from graphssl.data.loader import eval_batches
from graphssl.data.sources import ImageSource, open_data
from graphssl.evaluate.features import evaluating, view_of
from graphssl.evaluate.run import load_run, place
from graphssl.ir.graph import Graph
from graphssl.progress import progress
from graphssl.runtime.errors import RunError


def monitors_of_run(
    path: str,
    data: str,
    *,
    batch_size: int = 256,
    device: str | None = None,
    workers: int = 0,
    plugins: Sequence[str] = (),
) -> dict[str, Any]:
    """Mean over the test images of each loss and each of the file's `monitors`: a classifier's accuracy, for example.

    Every view is the evaluation view of the image, no mask hides anything, BatchNorm and dropout are in eval mode, and no
    state moves. A loss that compares the images of a batch depends on `batch_size`.
    """
    method, module = load_run(path, plugins=plugins)
    graph = method.checked_graph()
    test = open_data(data, "test")
    where, precision, autocast = place(module, graph, device)
    means = means_on(test, module, graph, where, autocast, batch_size=batch_size, workers=workers)
    return {
        "losses": {node.name: means[node.name].item() for node in graph.losses()},
        "monitors": {name: means[name].item() for name, _ in graph.monitors},
        "images": len(test),
        "batch_size": batch_size,
        "precision": precision,
    }


def means_on(
    source: ImageSource,
    module: nn.Module,
    graph: Graph,
    device: torch.device,
    autocast: Callable[[], Any],
    *,
    batch_size: int = 256,
    workers: int = 0,
    keep: Sequence[str] = (),
) -> dict[str, Tensor]:
    """The mean over images of each loss, each monitor and each output in `keep`, float64 on the CPU."""
    sums: dict[str, Tensor] = {}
    count = 0
    with evaluating(module), progress("images", len(source)) as advance:
        for views, rows in _batches(graph, source, batch_size, workers, device):
            with autocast():
                out = module(views, keep=tuple(keep))
            for name, value in {**out.losses, **out.monitors, **out.values}.items():
                sums[name] = sums.get(name, 0.0) + value.double() * rows
            count += rows
            advance(rows)
    return {name: total.cpu() / count for name, total in sums.items()}


def _batches(
    graph: Graph, source: ImageSource, batch_size: int, workers: int, device: torch.device
) -> Iterator[tuple[dict[str, Any], int]]:
    """What each source node gives for the test images, and how many they are."""
    images = [node for node in graph.sources() if node.gives("image")]
    streams = [
        eval_batches(source, size=size, steps=steps, batch_size=batch_size, workers=workers)
        for size, steps in map(view_of, images)
    ]
    for parts in zip(*streams, strict=True):
        labels = parts[0][1].to(device)
        shown = {
            node.name: x.to(device, memory_format=torch.channels_last)
            for node, (x, _) in zip(images, parts, strict=True)
        }
        views: dict[str, Any] = {}
        for node in graph.sources():
            [edge] = node.outputs.values()
            if node.name in shown:
                values = [shown[node.name]] * len(edge.values)
            elif node.gives("mask"):
                values = [
                    torch.zeros(len(labels), int(value.axes[-1]), dtype=torch.bool, device=device)
                    for value in edge.values
                ]
            elif len(edge.values[0].axes) > 1:
                raise RunError(
                    f"`{node.name}` gives label maps, which this does not judge: take `graphssl eval segmentation`"
                )
            else:
                values = [labels]
            views[node.name] = values if edge.listed else values[0]
        yield views, len(labels)
