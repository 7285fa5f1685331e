"""Features of a set of images by a method's `represent`, without moving any state."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from graphssl.data.loader import eval_batches
from graphssl.data.sources import ImageSource
from graphssl.ir.graph import Graph, Node
from graphssl.runtime.errors import RunError


def eval_view(graph: Graph) -> tuple[int, tuple[tuple[str, Any], ...]]:
    """Size in pixels and steps of the evaluation view: as large as the views that feed `represent`, normalised alike.

    Small images (64 px or less) are resized to the size; larger ones to 256/224 of it, then centre-cropped.
    """
    assert graph.represent is not None
    feeding = graph.ancestors([graph.represent.node])
    sources = [node for node in graph.sources() if node.name in feeding and node.gives("image")]
    return view_of(max(sources, key=lambda node: node.attrs["size"]))


def view_of(node: Node) -> tuple[int, tuple[tuple[str, Any], ...]]:
    """The evaluation view that stands in for an `augment` node: its size, its normalisation, nothing random."""
    size = node.attrs["size"]
    steps = node.attrs["steps"] or node.attrs["views"][0]
    normalize = dict(steps).get("normalize", "none")
    resize = size if size <= 64 else round(size * 256 / 224)
    bicubic = {"size": resize, "interpolation": "bicubic"}
    crop: tuple[tuple[str, Any], ...] = (("center_crop", {}),)
    return size, (("resize", bicubic), *crop, ("normalize", normalize))


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Eval mode and no gradient, and back to the mode before."""
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        module.train(training)


def digest(module: nn.Module) -> str:
    """SHA-256 in hex of every parameter and buffer: names, shapes and bits."""
    found = hashlib.sha256()
    for name, tensor in chain(module.named_parameters(), module.named_buffers()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        found.update(flat.view(torch.uint8).numpy().data)
    return found.hexdigest()


@contextmanager
def unmoved(module: nn.Module) -> Iterator[None]:
    """Within, no bit of a parameter or buffer may change; RunError at the end if one did."""
    before = digest(module)
    yield
    if digest(module) != before:
        raise RunError("weights or state moved while they were evaluated; this is a bug in graphssl")


def extract(
    module: nn.Module,
    graph: Graph,
    source: ImageSource,
    *,
    device: torch.device,
    indices: list[int] | None = None,
    batch_size: int = 256,
    workers: int = 0,
    autocast: Callable[[], Any] | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[Tensor, Tensor]:
    """Features (n d) float32 and labels (n) of the images at `indices` (default: all), both on the CPU.

    Images that cannot be decoded are left out, each with a warning in the log; of none there are features (0 0).
    """
    size, steps = eval_view(graph)
    features, labels = [], []
    with evaluating(module):
        for images, truth in eval_batches(
            source, size=size, steps=steps, batch_size=batch_size, workers=workers, indices=indices
        ):
            images = images.to(device, memory_format=torch.channels_last)
            if autocast is None:
                out = module.represent(images)  # type: ignore[operator]
            else:
                with autocast():
                    out = module.represent(images)  # type: ignore[operator]
            features.append(out.float().cpu())
            labels.append(truth.cpu())
            if progress:
                progress(len(images))
    if not features:
        return torch.empty(0, 0), torch.empty(0, dtype=torch.int64)
    return torch.cat(features), torch.cat(labels)
