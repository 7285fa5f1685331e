"""Which images make up the batch of a step where images lie in shards, so that few shards are needed at a time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from graphssl.data.philox import key_of, permutation
from graphssl.data.sampler import EpochSampler
from graphssl.data.sources import ImageSource

WINDOW_SHARDS = 16
WINDOW_IMAGES = 1 << 16  # a window of small shards has more of them, until it holds this many images

Window = tuple[int, NDArray[np.int64]]
"""The place in the epoch of a window's first image, and its images in order."""


class ShardSampler(EpochSampler):
    """As `EpochSampler`, with another permutation: of the shards, then of the images within a window of some shards.

    An epoch permutes the shards and cuts them into windows of about `WINDOW_SHARDS`. Within a window every shard has a slice of the global
    batch to itself, as wide as its share of the window's images: each batch is a stratified sample of all shards of the window, and rank r
    of P, which takes the r-th part of a global batch, needs about one in P of them. Batches are the same for any number of ranks.

    Args:
        shard_sizes: number of images of each shard; image numbers follow each other shard by shard.
        others: as of `EpochSampler`.
    """

    def __init__(
        self,
        shard_sizes: Sequence[int],
        batch_size_per_rank: int,
        *,
        rank: int = 0,
        world_size: int = 1,
        seed: int = 0,
    ) -> None:
        sizes = np.asarray(shard_sizes, dtype=np.int64)
        super().__init__(int(sizes.sum()), batch_size_per_rank, rank=rank, world_size=world_size, seed=seed)
        self._sizes, self._starts = sizes, np.concatenate(([0], np.cumsum(sizes)))
        self._shards_key = key_of("shards", seed)
        self._images_key = key_of("images of shards", seed)
        wanted = max(WINDOW_SHARDS, round(WINDOW_IMAGES / max(1.0, sizes.mean())))
        self._windows = -(-len(sizes) // wanted)
        self._cuts: tuple[int, list[NDArray[np.int64]], NDArray[np.int64]] = (-1, [], sizes)
        self._kept: OrderedDict[tuple[int, int], Window] = OrderedDict()

    def batch(self, step: int) -> list[int]:
        """Indices of this rank's images at a global step, counted from 0."""
        first = step % self.steps_per_epoch * self.global_batch_size + self.rank * self.batch_size_per_rank
        return self._images(self.epoch(step), first, first + self.batch_size_per_rank)

    def order(self, epoch: int) -> list[int]:
        """All images in the order of an epoch, those that fill no global batch, too."""
        return self._images(epoch, 0, self.length)

    def window_of(self, step: int) -> tuple[int, int]:
        """The epoch and window in which the batch of a step begins."""
        epoch, position = divmod(step, self.steps_per_epoch)
        return epoch, self._window_at(epoch, position * self.global_batch_size)

    def ahead(self, step: int) -> list[int]:
        """An image of each shard that this rank needs in the window behind that of a step, in this epoch or the next."""
        epoch, number = self.window_of(step)
        epoch, number = (epoch, number + 1) if number + 1 < self._windows else (epoch + 1, 0)
        start, images = self._window(epoch, number)
        mine = images[self._slots(start, len(images)) // self.batch_size_per_rank == self.rank]
        shards = np.searchsorted(self._starts, mine, side="right") - 1
        return [int(mine[place]) for place in np.sort(np.unique(shards, return_index=True)[1])]

    def _images(self, epoch: int, first: int, last: int) -> list[int]:
        """The images at these places of an epoch; a batch may begin in one window and end in another."""
        found: list[int] = []
        while first < last:
            start, images = self._window(epoch, self._window_at(epoch, first))
            piece = images[first - start : last - start].tolist()
            found += piece
            first += len(piece)
        return found

    def _window_at(self, epoch: int, place: int) -> int:
        return int(np.searchsorted(self._cut(epoch)[1], place, side="right")) - 1

    def _cut(self, epoch: int) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
        """The shards of each window of an epoch, and where each window begins."""
        if self._cuts[0] != epoch:
            shards = np.array_split(permutation(self._shards_key, epoch, len(self._sizes)), self._windows)
            images = [int(self._sizes[window].sum()) for window in shards]
            self._cuts = epoch, shards, np.cumsum([0, *images[:-1]])
        return self._cuts[1:]

    def _window(self, epoch: int, number: int) -> Window:
        if (epoch, number) not in self._kept:
            shards, starts = self._cut(epoch)
            self._kept[epoch, number] = int(starts[number]), self._arranged(epoch, int(starts[number]), shards[number])
            if len(self._kept) > 3:
                self._kept.popitem(last=False)
        return self._kept[epoch, number]

    def _arranged(self, epoch: int, start: int, shards: NDArray[np.int64]) -> NDArray[np.int64]:
        """The images of a window that begins at a place of the epoch, in order."""
        sizes = self._sizes[shards]
        images = np.empty(int(sizes.sum()), dtype=np.int64)
        by_slot = np.argsort(self._slots(start, len(images)), kind="stable")
        parts = np.split(by_slot, np.cumsum(sizes)[:-1])
        for shard, places in zip(shards.tolist(), parts, strict=True):
            if len(places):
                key = self._images_key[0], self._images_key[1] ^ shard
                images[places] = self._starts[shard] + permutation(key, epoch, len(places))
        return images

    def _slots(self, start: int, count: int) -> NDArray[np.int64]:
        """The place in its global batch of each of the images from a place of the epoch on."""
        return (start + np.arange(count)) % self.global_batch_size


def sampler_of(
    source: ImageSource, batch_size_per_rank: int, *, rank: int = 0, world_size: int = 1, seed: int = 0
) -> EpochSampler:
    """The order of a source's images: that of shards where it has some."""
    among = {"rank": rank, "world_size": world_size, "seed": seed}
    if sizes := getattr(source, "shard_sizes", ()):
        return ShardSampler(sizes, batch_size_per_rank, **among)
    return EpochSampler(len(source), batch_size_per_rank, **among)
