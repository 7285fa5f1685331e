"""Data sets that torchvision can download."""

from __future__ import annotations

import contextlib
import difflib
import inspect
import sys
from collections.abc import Iterator
from typing import Any

from PIL import Image
from torch import Tensor

from graphssl.data.archive import cache_folder
from graphssl.data.decode import from_pil
from graphssl.data.errors import BadImage, DataError, NoSplit


class TorchvisionSource:
    """One split of a labelled torchvision data set, downloaded to the cache folder when it is not there.

    Raises:
        DataError: unknown name, a data set that must be fetched by hand, or no network. `NoSplit`: no test part.
    """

    def __init__(self, name: str, dataset: str, split: str) -> None:
        self.name = name
        self._split = split
        self._data = _download(name, dataset, split)
        self.classes = tuple(str(word) for word in getattr(self._data, "classes", ()))
        self._labels = _labels(self._data)
        if not self.classes and max(self._labels, default=-1) >= 0:
            self.classes = tuple(str(label) for label in range(max(self._labels) + 1))

    def __len__(self) -> int:
        return len(self._data)

    def label(self, index: int) -> int:
        return self._labels[index]

    def describe(self, index: int) -> str:
        return f"{self.name}/{self._split}/{index}"

    def identity(self) -> Iterator[str]:
        yield f"{self.name} {self._split} {len(self)} {cache_folder()}"

    def load(self, index: int) -> Tensor:
        """The image as uint8 [3 h w]; raises `BadImage`."""
        try:
            image = self._data[index][0]
        except (OSError, ValueError, SyntaxError) as error:
            raise BadImage(self.describe(index), f"cannot be decoded: {error}") from None
        if not isinstance(image, Image.Image):
            raise BadImage(self.describe(index), f"is not an image but a {type(image).__name__}")
        return from_pil(image)


def _labels(data: Any) -> list[int]:
    """The class of every image, without decoding any; -1 where the data set does not keep them at hand."""
    for name in ("targets", "labels", "_labels"):  # torchvision never agreed on one
        if (values := getattr(data, name, None)) is not None:
            return [int(value) for value in values]
    return [-1] * len(data)


def _download(name: str, dataset: str, split: str) -> Any:
    import torchvision.datasets as datasets  # slow to import and rarely needed

    parts = {word: getattr(datasets, word) for word in datasets.__all__}
    known = {word: kind for word, kind in parts.items() if "download" in inspect.signature(kind).parameters}
    if dataset not in known:
        close = difflib.get_close_matches(dataset, known, n=3) or ["CIFAR10", "CIFAR100", "STL10"]
        hint = ", ".join(f"`torchvision:{word}`" for word in close)
        raise DataError(f"torchvision cannot download a data set `{dataset}`; the closest it can: {hint}")
    accepted = inspect.signature(known[dataset]).parameters
    if "train" in accepted:
        choice: dict[str, Any] = {"train": split == "train"}
    elif "split" in accepted:
        choice = {"split": split}
    elif split == "train":
        choice = {}
    else:
        raise NoSplit(f"`{name}` has no test images; evaluate on another source")
    root = cache_folder() / "torchvision"
    try:
        root.mkdir(parents=True, exist_ok=True)
        with contextlib.redirect_stdout(sys.stderr):  # standard output belongs to results
            return known[dataset](str(root), download=True, **choice)
    except (ValueError, TypeError) as error:
        raise NoSplit(f"`{name}` has no {split} images that torchvision can give: {error}") from None
    except (OSError, RuntimeError, ImportError) as error:
        raise DataError(
            f"`{name}` cannot be downloaded to `{root}`: {error}; check the network, or unpack the images into a "
            "folder and name that"
        ) from None
