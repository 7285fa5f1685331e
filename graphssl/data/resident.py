"""A small data set that lies on the training device, decoded, so that a step only picks its images there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from graphssl.data.cache import shape_within
from graphssl.data.errors import BadImage
from graphssl.data.sources import ImageSource
from graphssl.data.workers import in_order
from graphssl.data.wrapped import Wrapped

PART = 512  # images that are decoded and copied at a time


class Resident(Wrapped):
    """A source whose images are rows of one tensor. bad: by number, those that could not be decoded."""

    def __init__(self, source: ImageSource, pixels: Tensor, bad: dict[int, BadImage]) -> None:
        super().__init__(source)
        self._pixels, self._bad = pixels, bad

    def load(self, index: int) -> Tensor:
        """The image as uint8 [3 h w] on the device, not to be written to; raises `BadImage`."""
        if index in self._bad:
            raise self._bad[index]
        return self._pixels[index]


def resident(source: ImageSource, device: torch.device, *, limit_bytes: int, workers: int) -> Resident | None:
    """The images on the device, decoded now by this many workers; None if they are not of one size or exceed `limit_bytes`."""
    shape = shape_within(source, limit_bytes)
    if shape is None:
        return None
    pixels = torch.empty((len(source), *shape), dtype=torch.uint8, device=device)
    parts = [range(len(source))[start : start + PART] for start in range(0, len(source), PART)]
    bad: dict[int, BadImage] = {}
    for good, images, errors in in_order(_Parts(source, parts, shape), range(len(parts)), workers):
        if images is None:
            return None
        pixels[torch.tensor(good, device=device)] = images.to(device)
        bad |= errors
    return Resident(source, pixels, bad)


class _Parts(Dataset[Any]):
    """Item i: the numbers of the good images of the i-th part, uint8 [g 3 h w] (None: one has another shape), and the bad by number."""

    def __init__(self, source: ImageSource, parts: Sequence[range], shape: tuple[int, ...]) -> None:
        self._source, self._parts, self._shape = source, parts, shape

    def __getitem__(self, part: int) -> tuple[list[int], Tensor | None, dict[int, BadImage]]:
        good, bad = dict[int, Tensor](), dict[int, BadImage]()
        for index in self._parts[part]:
            try:
                good[index] = self._source.load(index)
            except BadImage as error:
                bad[index] = error
        if any(image.shape != self._shape for image in good.values()):
            return [], None, bad
        empty = torch.empty((0, *self._shape), dtype=torch.uint8)
        return list(good), torch.stack([*good.values()]) if good else empty, bad
