"""Which class each pixel belongs to. A label map is uint8 [h w]: numbers of `map_classes`, or 255 where no class is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np
import torch
from torch import Tensor

from graphssl.data.errors import DataError
from graphssl.data.wrapped import unwrapped

if TYPE_CHECKING:
    from graphssl.data.augment import Views
    from graphssl.data.samples import Samples

UNKNOWN = 255


class Mapped(Protocol):
    """An `ImageSource` that knows the class of each pixel."""

    map_classes: tuple[str, ...]

    def label_map(self, index: int) -> Tensor:
        """uint8 [h w], as large as the image. Raises DataError."""
        ...

    def boxes(self, index: int) -> Tensor:
        """A box around each object, float32 [n 4]: left, top, right, bottom in pixels."""
        ...


def with_label_maps(source: Any) -> Any:
    """The source, an `ImageSource`, which is `Mapped`, too; raises DataError if it is not."""
    if not hasattr(unwrapped(source), "label_map"):
        raise DataError(
            f"`{source.name}` says nothing about pixels: name a folder that has a mask for each image, in `masks` beside `images`"
        )
    return source


class LabelMaps:
    """Makes what a `label_map` node gives: the label maps, moved as the views of another node."""

    def __init__(self, views: Views) -> None:
        self._views = views

    def __call__(self, samples: Samples) -> Tensor | list[Tensor]:
        return self._views.label_maps(samples)


def boxes_of(label_map: Tensor) -> Tensor:
    """A box around each connected piece of one class but the first, the background: float32 [n 4], left, top, right, bottom."""
    pixels = label_map.numpy()
    boxes = []
    for number in np.unique(pixels[(pixels != 0) & (pixels != UNKNOWN)]):
        _, _, pieces, _ = cv2.connectedComponentsWithStats((pixels == number).astype(np.uint8), connectivity=8)
        boxes += [(x, y, x + width, y + height) for x, y, width, height, _ in pieces[1:].tolist()]
    return torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
