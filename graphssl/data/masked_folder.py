"""A folder of images with a mask for each, the class of every pixel."""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from graphssl.data.decode import FORMATS, MAX_PIXELS
from graphssl.data.errors import DataError, NoSplit
from graphssl.data.folder import FolderSource
from graphssl.data.label_maps import UNKNOWN, boxes_of
from graphssl.data.layout import FOLDERS_OF_SPLIT
from graphssl.language.diagnostics import first_line
from graphssl.plainfile import open_plain

_MODES = ("1", "L", "P", "I", "I;16")


def has_masks(root: Path) -> bool:
    """Whether a folder is laid out as images beside masks, of all or of each split."""
    return _both(root) or _both(root / "train")


class MaskedFolder(FolderSource):
    """`images/` beside `masks/`, or both of them in `train/` and `test/` (or `val/`), or `train/` and `test/` in both of them.

    The mask of `images/A/x.jpg` is `masks/A/x.png`, grey or with a palette: each pixel is the number of a class, 255 where none is known;
    the first class is the background. The names of the classes are the lines of `classes.txt` beside; without it there are as many as
    the training masks use.

    Raises:
        DataError: an image has no mask, or there is none at all; `NoSplit`: there is no such split.
    """

    def __init__(self, name: str, root: Path, split: str) -> None:
        self._home, self._split = root, split
        self._top = root if _both(root) else _folder_of(root, split)
        super().__init__(name, self._top / "images", split if self._top == root else "train")
        self._masks = [self._mask(index) for index in range(len(self))]
        missing = [index for index, mask in enumerate(self._masks) if not mask.is_file()]
        if len(missing) == len(self):
            raise DataError(
                f"`{self._top / 'masks'}` holds no masks; put one there for each image, `{self._masks[0]}` for example"
            )
        if missing:
            raise DataError(
                f"`{self.describe(missing[0])}` has no mask{_others(len(missing))}; expected `{self._masks[missing[0]]}`"
            )

    def label_map(self, index: int) -> Tensor:
        """The mask as uint8 [h w]; raises DataError."""
        found = self._numbers(index)
        largest = _largest(found)
        if largest >= len(self.map_classes):
            raise DataError(
                f"`{self._masks[index]}` holds class {largest}, but there are {len(self.map_classes)}, numbered from 0: "
                f"name all of them in `{self._home / 'classes.txt'}`, a line each"
            )
        return torch.from_numpy(found)

    def boxes(self, index: int) -> Tensor:
        """A box around each connected piece of a class: float32 [n 4]."""
        return boxes_of(self.label_map(index))

    @cached_property
    def map_classes(self) -> tuple[str, ...]:
        """The names of the classes, the background first; without `classes.txt` their numbers, which the training masks are read for."""
        names = self._home / "classes.txt"
        if names.is_file():
            lines = [line.strip() for line in names.read_text(encoding="utf-8", errors="replace").splitlines()]
            return tuple(line for line in lines if line)
        if self._split != "train":
            return MaskedFolder(self.name, self._home, "train").map_classes
        return tuple(str(number) for number in range(1 + max(_largest(self._numbers(i)) for i in range(len(self)))))

    def _mask(self, index: int) -> Path:
        image = Path(self.describe(index)).relative_to(self._top / "images")
        return (self._top / "masks" / image).with_suffix(".png")

    def _numbers(self, index: int) -> NDArray[np.uint8]:
        mask, image = self._masks[index], self.describe(index)
        try:
            with open_plain(mask) as file, Image.open(file, formats=["PNG"]) as picture:
                mode, size = picture.mode, picture.size
                numbers = np.asarray(picture) if mode in _MODES and math.prod(size) <= MAX_PIXELS else None
            with open_plain(image) as file, Image.open(file, formats=FORMATS) as picture:
                expected = picture.size
        except Exception as error:  # Pillow raises most kinds there are for damaged files
            raise DataError(f"`{mask}`, the mask of `{image}`, cannot be read: {first_line(error)}") from None
        if numbers is None:
            raise DataError(
                f"`{mask}` is a PNG of mode {mode}; a mask is grey or has a palette, its pixels are numbers of classes"
            )
        if size != expected:
            (width, height), (wide, high) = size, expected
            raise DataError(
                f"`{mask}` has {width} x {height} pixels but its image `{image}` {wide} x {high}; make them alike"
            )
        if numbers.max(initial=0) > UNKNOWN:
            raise DataError(f"`{mask}` holds class {numbers.max()}; numbers of classes end at {UNKNOWN - 1}")
        return numbers.astype(np.uint8)


def _both(top: Path) -> bool:
    return (top / "images").is_dir() and (top / "masks").is_dir()


def _folder_of(root: Path, split: str) -> Path:
    for name in FOLDERS_OF_SPLIT[split]:
        if (root / name / "images").is_dir():
            return root / name
    names = " or ".join(f"`{root / name / 'images'}`" for name in FOLDERS_OF_SPLIT[split])
    raise NoSplit(f"`{root}` has no {names}; add held-out images there")


def _others(count: int) -> str:
    return f", and {count - 1} more have none" if count > 1 else ""


def _largest(numbers: NDArray[np.uint8]) -> int:
    return int(numbers[numbers != UNKNOWN].max(initial=0))
