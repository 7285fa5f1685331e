"""A share of a data set: the same share of each class, always the same images for a seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch import Tensor

from graphssl.data.philox import key_of, permutation
from graphssl.data.place import Place
from graphssl.data.sources import ImageSource
from graphssl.data.wrapped import Wrapped


class Subset(Wrapped):
    """Some images of a source, numbered anew."""

    def __init__(self, source: ImageSource, indices: list[int]) -> None:
        super().__init__(source)
        self.indices = indices

    def __len__(self) -> int:
        return len(self.indices)

    def label(self, index: int) -> int:
        return self._source.label(self.indices[index])

    def describe(self, index: int) -> str:
        return self._source.describe(self.indices[index])

    def identity(self) -> Iterator[str]:
        yield from self._source.identity()
        yield f"of these {self.indices}"

    def load(self, index: int) -> Tensor:
        return self._source.load(self.indices[index])

    def place(self, index: int) -> Place:
        return super().place(self.indices[index])

    def read(self, index: int) -> bytes:
        return super().read(self.indices[index])

    def prefetch(self, index: int) -> None:
        if fetch := getattr(self._source, "prefetch", None):
            fetch(self.indices[index])

    @property
    def shard_sizes(self) -> tuple[int, ...]:
        """Of each shard, how many of its images are among these; () where they are not shard by shard."""
        whole = super().shard_sizes
        shards = np.searchsorted(np.cumsum(whole), self.indices, side="right")
        in_order = bool((np.diff(shards) >= 0).all())
        return tuple(np.bincount(shards, minlength=len(whole)).tolist()) if whole and in_order else ()

    def label_map(self, index: int) -> Tensor:
        return super().label_map(self.indices[index])

    def boxes(self, index: int) -> Tensor:
        return super().boxes(self.indices[index])


def balanced_rest(source: ImageSource, share: float, *, seed: int) -> ImageSource | None:
    """The images that `balanced_share` leaves out; None where it takes all."""
    taken = balanced_share(source, share, seed=seed)
    if not isinstance(taken, Subset):
        return None
    rest = sorted(set(range(len(source))) - set(taken.indices))
    return Subset(source, rest) if rest else None


def balanced_share(source: ImageSource, share: float, *, seed: int) -> ImageSource:
    """This share (0 to 1) of the images of each class, rounded, at least one; unlabelled images are a class, too.

    A smaller share is a part of a larger one. All of it is the source itself.
    """
    if share >= 1:
        return source
    labels = [source.label(index) for index in range(len(source))]
    return Subset(source, balanced(labels, share, seed=seed))


def balanced(labels: Sequence[int], share: float, *, seed: int) -> list[int]:
    """The places of this share of each class among `labels`, rounded, at least one, in order."""
    by_class: dict[int, list[int]] = {}
    for index in permutation(key_of("share", seed), 0, len(labels)).tolist():
        by_class.setdefault(labels[index], []).append(index)
    return sorted(i for members in by_class.values() for i in members[: max(1, round(share * len(members)))])
