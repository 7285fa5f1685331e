"""Linear segmentation: how much frozen feature maps say about each pixel (graphs/segmentation.yaml)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from graphssl.data.errors import DataError
from graphssl.data.label_maps import with_label_maps
from graphssl.data.sources import open_data
from graphssl.evaluate.encoder import load_encoder
from graphssl.evaluate.features import view_of
from graphssl.evaluate.run import load_run, place
from graphssl.evaluate.trained import Asked, of_run, require_unmoved, train_graph
from graphssl.evaluate.whole_images import whole_images
from graphssl.progress import progress
from graphssl.runtime.launcher import is_main_process
from graphssl.runtime.train import recipe_of


def train_segmentation(asked: Asked) -> int:
    """Train the head on the run's map; the exit code.

    Raises:
        DataError: an image has no mask, a mask is none or of another size, it holds a class that there is not.
        RunError: no run is there, or its features do not come from an encoder.
    """
    if is_main_process():
        for split in ("train", "test"):
            require_label_maps(asked.data, split)
    images = with_label_maps(open_data(asked.data, "train"))
    encoder = load_encoder(asked.run, plugins=asked.plugins)
    given = {**of_run(asked.run, encoder, len(images.map_classes)), "params.of": encoder.node.name}
    return train_graph(asked, asked.method, [f"{path}={value}" for path, value in given.items()], images)


def require_label_maps(data: str, split: str) -> None:
    """Read every label map, so that what is wrong with one is told before anything is trained; raises DataError."""
    source = with_label_maps(open_data(data, split))
    if len(source.map_classes) < 2:
        raise DataError(
            f"the masks of `{data}` hold one class only; pixels are numbers of classes, 0 the background, 255 unknown"
        )
    with progress(f"{split} masks", len(source)) as advance:
        for index in range(len(source)):
            source.label_map(index)
            advance(1)


def segmentation_scores(asked: Asked) -> dict[str, Any]:
    """Intersection over union on the test images, each pixel of theirs counted at their own size.

    mIoU is the mean over classes that occur in the test images or were said to. Raises RunError where a frozen weight has moved.
    """
    method, module = load_run(asked.out, plugins=asked.plugins)
    graph = method.checked_graph()
    recipe = recipe_of(graph)
    require_unmoved(graph, asked.out)
    where, precision, autocast = place(module, graph, asked.options.get("device"))
    test = with_label_maps(open_data(asked.data, "test"))
    size, steps = view_of(graph.nodes["v"])
    confusion = torch.zeros(len(test.map_classes), len(test.map_classes), dtype=torch.int64)
    workers = asked.options.get("workers") or 0
    for numbers, images in whole_images(test, size=size, normalize=dict(steps)["normalize"], workers=workers):
        unknown = torch.full((len(images), size, size), -1, device=where)
        with torch.no_grad(), autocast():
            logits = module({"v": images.to(where), "y": unknown}, keep=["logits"]).values["logits"]  # b k h w
        for index, each in zip(numbers, logits.float().cpu(), strict=True):
            truth = test.label_map(index)
            larger = F.interpolate(each[None], size=truth.shape, mode="bilinear", align_corners=False)[0]
            confusion += confusion_matrix(larger.argmax(dim=0), truth, len(confusion))
    found = iou(confusion)
    known = [value for value in found if value is not None]
    return {
        "miou": sum(known) / len(known),
        "pixel_accuracy": float(confusion.diagonal().sum() / confusion.sum()),
        "iou": dict(zip(test.map_classes, found, strict=True)),
        "classes": len(confusion),
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "images": len(open_data(asked.data, "train")),
        "test_images": len(test),
        "image_size": size,
        "precision": precision,
        "run": str(asked.out),
    }


def confusion_matrix(prediction: Tensor, truth: Tensor, classes: int) -> Tensor:
    """How many pixels of class i were called j, int64 (k k); prediction int64 (h w), truth uint8 (h w), where 255 does not count."""
    known = truth < classes
    pairs = truth[known].long() * classes + prediction[known]
    return torch.bincount(pairs, minlength=classes * classes).view(classes, classes)


def iou(confusion: Tensor) -> list[float | None]:
    """Of each class, pixels that are of it and were called so, over pixels that are or were; None where there are none."""
    right = confusion.diagonal()
    union = confusion.sum(dim=0) + confusion.sum(dim=1) - right
    return [float(r / u) if u else None for r, u in zip(right, union, strict=True)]
