"""Decoded images kept, so that each is decoded once: in memory, or on disk for the runs to come."""

from __future__ import annotations

import math
import mmap
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from graphssl.data.disk import OnDisk
from graphssl.data.errors import BadImage
from graphssl.data.wrapped import Wrapped

if TYPE_CHECKING:
    from graphssl.data.sources import ImageSource


def kept(source: ImageSource, where: str, *, limit_bytes: int, folder: Path) -> ImageSource:
    """The same images. where: "ram", as `cached` does; "disk", in a folder of their own in `folder`; "none".

    Raises:
        DataError: nothing can be written to `folder`.
    """
    if where == "disk":
        return OnDisk(source, folder)
    return cached(source, limit_bytes) if where == "ram" else source


def cached(source: ImageSource, limit_bytes: int) -> ImageSource:
    """The same images, each decoded once and kept in memory, when the whole set fits in `limit_bytes`.

    Whether it fits is judged from the first image that can be decoded: the cache is for sets of equally sized
    images, and one of another size is decoded each time. Returns `source` itself when the set does not fit. The
    memory fills as images are used and is shared with workers forked later, so no process decodes an image twice.
    """
    shape = shape_within(source, limit_bytes)
    return _Cached(source, shape) if shape else source


def shape_within(source: ImageSource, limit_bytes: int) -> tuple[int, ...] | None:
    """The shape of the first image that can be decoded, if as many of it as the source has fit in `limit_bytes`."""
    for index in range(min(len(source), 16)):
        try:
            shape = tuple(source.load(index).shape)
        except BadImage:
            continue
        return shape if len(source) * math.prod(shape) <= limit_bytes else None
    return None


def is_cached(source: ImageSource) -> bool:
    """Whether the images of a source are kept."""
    return isinstance(source, _Cached | OnDisk)


class _Cached(Wrapped):
    """A source whose images of one shape are kept in memory."""

    def __init__(self, source: ImageSource, shape: tuple[int, ...]) -> None:
        super().__init__(source)
        self._shape = shape
        # Anonymous shared memory: unlike a shared tensor it does not count against /dev/shm, which is small in
        # containers. Pages cost nothing before they are written.
        count, size = len(source), math.prod(shape)
        self._pixels = torch.frombuffer(mmap.mmap(-1, count * size), dtype=torch.uint8).view(count, *shape)
        self._filled = torch.frombuffer(mmap.mmap(-1, count), dtype=torch.uint8)

    def load(self, index: int) -> Tensor:
        """The image as uint8 [3 h w]; a view of the cache, not to be written to."""
        if not self._filled[index]:
            image = self._source.load(index)
            if image.shape != self._shape:
                return image
            self._pixels[index] = image
            self._filled[index] = 1  # last, so that no process sees a half-written image
        return self._pixels[index]

    def __reduce__(self) -> tuple[object, ...]:
        # A spawned worker cannot map this memory; it starts an empty cache of its own.
        return _Cached, (self._source, self._shape)
