"""Images as dense evaluation shows them: all of each, resized to a square, so that every pixel is judged."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from graphssl.data.augment import Augmenter, ViewPlan
from graphssl.data.errors import BadImage
from graphssl.data.resample import crop_and_resize, to_float
from graphssl.data.sources import ImageSource
from graphssl.data.workers import in_order
from graphssl.progress import progress

log = logging.getLogger(__name__)


def whole_images(
    source: ImageSource, *, size: int, normalize: Any, batch_size: int = 64, workers: int = 0
) -> Iterator[tuple[list[int], Tensor]]:
    """(numbers of b images, images float32 [b 3 size size]) over the source, in order, with a progress bar.

    normalize: the value of the step of that name. Images that cannot be decoded are left out, each with a warning in the log.
    """
    parts = [list(range(i, min(i + batch_size, len(source)))) for i in range(0, len(source), batch_size)]
    with progress("test images", len(source)) as advance:
        for numbers, images, bad in in_order(_Parts(source, parts, size, normalize), range(len(parts)), workers):
            for error in bad:
                log.warning("left out: %s", error)
            if numbers:
                yield numbers, images
            advance(len(numbers) + len(bad))


class _Parts(Dataset[Any]):
    """Item i is the i-th part of the images."""

    def __init__(self, source: ImageSource, parts: list[list[int]], size: int, normalize: Mapping[str, Any] | str):
        self._source, self._parts, self._size = source, parts, size
        self._normal = Augmenter({"eval": ViewPlan("eval", size, (("normalize", normalize),), "eval")}, seed=0)  # type: ignore[arg-type]

    def __getitem__(self, part: int) -> tuple[list[int], Any, list[BadImage]]:
        numbers, images = [], []
        bad: list[BadImage] = []
        for index in self._parts[part]:
            try:
                image = self._source.load(index)
            except BadImage as error:
                bad.append(error)
                continue
            whole = torch.tensor([[0, 0, *image.shape[-2:]]])
            images.append(to_float(crop_and_resize(image[None], whole, (self._size, self._size), "bicubic"))[0])
            numbers.append(index)
        return numbers, self._normal(images, numbers, 0)["eval"] if numbers else None, bad
