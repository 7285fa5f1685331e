"""What every source of a graph makes its values from: the samples that one rank shows at one step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graphssl.data.moving import moved
from graphssl.data.opencv import suits


@dataclass(frozen=True, eq=False)
class Samples:
    """The samples of one rank at one step.

    Attributes:
        images: uint8 [b 3 h w], or b images [3 h w] of any sizes.
        indices: int64 [b], the images' numbers in the data set, which random numbers depend on.
        epoch, step: counted from 0.
        labels: int64 [b], -1 where unlabelled.
        label_maps: b of uint8 [h w], where a source node asks for them (`graphssl.data.label_maps`).
        first, total: place of the first of them in the global batch, and its size (over ranks and micro-batches).
    """

    images: Sequence[Tensor] | Tensor
    indices: NDArray[np.int64]
    epoch: int
    step: int = 0
    labels: Tensor | None = None
    label_maps: Sequence[Tensor] = ()
    first: int = 0
    total: int = 0

    def __len__(self) -> int:
        return len(self.indices)

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """Height and width of each image, (b 2)."""
        return np.array([image.shape[-2:] for image in self.images], dtype=np.int64)

    @property
    def device(self) -> torch.device:
        return self.images[0].device

    @cached_property
    def groups(self) -> list[tuple[NDArray[np.int64], Tensor]]:
        """The images by shape: (positions in the batch, [g 3 h w])."""
        if isinstance(self.images, Tensor):
            return [(np.arange(len(self.images)), self.images)]
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for position, image in enumerate(self.images):
            # large ones are changed one by one on a CPU, where joining them would be one more copy
            alone = (position,) if suits(max(image.shape[-2:]), image.device) else ()
            by_shape.setdefault((*image.shape, *alone), []).append(position)
        return [
            (
                np.array(rows),
                torch.stack([self.images[row] for row in rows]) if len(rows) > 1 else self.images[rows[0]][None],
            )
            for rows in by_shape.values()
        ]


@dataclass(frozen=True, eq=False)
class Packed:
    """Images of any sizes in one piece of memory, which goes to another process or a device at once.

    Attributes:
        pixels: uint8, those of one image after those of another.
        sizes: height and width of each image, (b 2).
    """

    pixels: Tensor
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, images: Sequence[Tensor] | Tensor) -> Packed:
        sizes = np.array([image.shape[-2:] for image in images], dtype=np.int64)
        return cls(torch.cat([image.reshape(-1) for image in images]), sizes)

    def on(self, device: torch.device) -> Tensor | list[Tensor]:
        """The images there, uint8: [b 3 h w] if all are of one size, else b of [3 h w]."""
        pixels = moved(self.pixels, device)
        if (self.sizes == self.sizes[0]).all():
            return pixels.view(-1, 3, *self.sizes[0].tolist())
        parts = pixels.split((3 * self.sizes.prod(axis=1)).tolist())
        return [part.view(3, *size) for part, size in zip(parts, self.sizes.tolist(), strict=True)]


Maker = Callable[[Samples], Tensor | list[Tensor]]
"""Makes the values of one source node: a tensor with a row per sample, or a list of them, one per view."""


class Labels:
    """The labels of the samples, int64 [b]."""

    def __call__(self, samples: Samples) -> Tensor:
        assert samples.labels is not None
        return samples.labels
