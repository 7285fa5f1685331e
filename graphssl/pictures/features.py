"""Features of a part of a set of images, with where each came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from graphssl.data.sources import BadImage, DataError, ImageSource, NoSplit, open_data
from graphssl.evaluate.encoder import RunEncoder

BANK = 5000
"""Training images among which neighbours are looked for."""


@dataclass(frozen=True)
class Features:
    """features (n d) of the images at `indices` of a source, labels (n), -1 where there are none."""

    source: ImageSource
    indices: Sequence[int]
    features: Tensor
    labels: Tensor


def features_of(encoder: RunEncoder, source: ImageSource, indices: Sequence[int]) -> Features:
    """By the encoder as evaluation takes them.

    Raises:
        DataError: an image cannot be read.
    """
    try:
        found = encoder.features((source.load(index) for index in indices), batch_size=256)
    except BadImage as error:
        raise DataError(str(error)) from None
    return Features(source, indices, found, torch.tensor([source.label(index) for index in indices]))


def spread(source: ImageSource, count: int, *, seed: int = 0) -> list[int]:
    """So many images, or all, as many of each class as there are; the same for the same seed, sorted by class."""
    order = torch.randperm(len(source), generator=torch.Generator().manual_seed(seed)).tolist()
    of_class: dict[int, list[int]] = {}
    for index in order:
        of_class.setdefault(source.label(index), []).append(index)
    turns = [(turn, label, index) for label, members in of_class.items() for turn, index in enumerate(members)]
    return [index for _, index in sorted((label, index) for _, label, index in sorted(turns)[:count])]


def both_sets(data: str, queries: int) -> tuple[ImageSource, ImageSource, list[int]]:
    """The test images, the training images, and which of these, at most BANK, stand beside `spread(test, queries)` as others.

    A set without test images is both.
    """
    train = open_data(data, "train")
    try:
        test = open_data(data, "test")
    except NoSplit:
        taken = set(spread(train, queries))
        return train, train, [index for index in spread(train, BANK + queries) if index not in taken][:BANK]
    return test, train, spread(train, BANK)


def picture_of(source: ImageSource, index: int) -> Image.Image:
    return Image.fromarray(source.load(index).permute(1, 2, 0).numpy())
