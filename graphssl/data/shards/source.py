"""Images in shards: a numbered set like any other, of which a few shards at a time are needed where the order is that of `ShardSampler`."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from graphssl.data.decode import decode
from graphssl.data.errors import BadImage, BadShard, DataError
from graphssl.data.place import Place
from graphssl.data.shards.fetch import Shard, on_disk, prefetch
from graphssl.data.shards.names import is_remote
from graphssl.data.shards.table import Table, key_of_sample, table_of
from graphssl.data.tar import read_at
from graphssl.progress import progress

log = logging.getLogger(__name__)

_MOST_LOST = 0.1  # of the shards may be skipped
_AT_ONCE = 8  # shards that are counted at a time


@dataclass(frozen=True)
class Counted:
    """A shard and the number of its samples."""

    shard: Shard
    samples: int


class ShardedSource:
    """The samples of shards, one shard after the other.

    Args:
        shards: with at least one sample in all.
        classes: names of the classes; () where images count as unlabelled.
        skip: a shard that turns out lost is told and left out: each of its images is replaced by another, as bad images are.

    Raises:
        DataError: of `load`, `read`, `place`, `label` and `describe`: a shard is lost (`BadShard`), or, with `skip`, too many are.
    """

    def __init__(self, name: str, shards: Sequence[Counted], classes: tuple[str, ...], *, skip: bool = False) -> None:
        self.name, self.classes = name, classes
        self.shard_sizes = tuple(each.samples for each in shards)
        self._shards, self._skip = [each.shard for each in shards], skip
        self._starts = np.cumsum((0, *self.shard_sizes))
        self._lost: dict[int, str] = {}

    def __len__(self) -> int:
        return int(self._starts[-1])

    def label(self, index: int) -> int:
        """The class number, or -1 where there is none, of an image of a shard that is left out, too."""
        if not self.classes:
            return -1
        try:
            _, table, row = self._sample(index)
        except BadImage:
            return -1
        label = int(table.labels[row])
        return label if label < len(self.classes) else -1

    def describe(self, index: int) -> str:
        number, table, row = self._sample(index)
        return f"{self._shards[number].url}/{table.names[row]}"

    def identity(self) -> Iterator[str]:
        for shard, samples in zip(self._shards, self.shard_sizes, strict=True):
            yield f"shard {shard.url} {shard.key} {samples}"

    def place(self, index: int) -> Place:
        """Raises DataError where the shard is left out."""
        try:
            number, table, row = self._sample(index)
        except BadImage as error:
            raise DataError(str(error)) from None
        return Place(shard=self._shards[number].url, key=key_of_sample(table.names[row]))

    def read(self, index: int) -> bytes:
        """The encoded image; raises `BadImage`."""
        number, table, row = self._sample(index)
        try:
            return read_row(self._shards[number], table, row)
        except BadShard as error:
            raise self._losing(number, error) from None

    def load(self, index: int) -> Tensor:
        """The image as uint8 [3 h w]; raises `BadImage`."""
        return decode(self.read(index), self.describe(index))

    def prefetch(self, index: int) -> None:
        """Have the shard of an image on this machine's disk."""
        prefetch(self._shards[self._number(index)])

    def _number(self, index: int) -> int:
        """Of an image's shard."""
        return int(np.searchsorted(self._starts, index, side="right")) - 1

    def _sample(self, index: int) -> tuple[int, Table, int]:
        """The number of an image's shard, its table, and the image's row in it."""
        number = self._number(index)
        try:
            table = self._table(number)
        except BadShard as error:
            raise self._losing(number, error) from None
        return number, table, int(table.rows[index - self._starts[number]])

    def _table(self, number: int) -> Table:
        if number in self._lost:
            raise BadShard(self._lost[number])
        shard, samples = self._shards[number], self.shard_sizes[number]
        table = table_of(shard)
        if len(table) != samples:
            raise BadShard(
                f"the shard `{shard.url}` holds {len(table)} images but {samples} were counted; write the index beside it "
                "anew, or remove it"
            )
        return table

    def _losing(self, number: int, error: BadShard) -> BadImage:
        """What an image of a lost shard is from now on; raises the error where no shard may be lost, or too many are."""
        if not self._skip:
            raise error
        url, images = self._shards[number].url, self.shard_sizes[number]
        self._lost[number] = str(error)
        if len(self._lost) > max(1.0, _MOST_LOST * len(self._shards)):
            raise DataError(
                f"{len(self._lost)} of {len(self._shards)} shards of `{self.name}` are lost; the last: {error}"
            )
        return BadImage(url, f"is left out with its {images} images: {error}", apart=images)


def read_row(shard: Shard, table: Table, row: int) -> bytes:
    """The bytes of an image; a shard that another process has just removed from the cache is fetched again."""
    name = f"{shard.url}/{table.names[row]}"
    offset, size = int(table.offsets[row]), int(table.sizes[row])
    path = on_disk(shard)
    try:
        return read_at(path, offset, size, name)
    except BadImage:
        if path.exists():
            raise
    if path == Path(shard.url):
        raise BadShard(f"the shard `{shard.url}` is missing")
    return read_at(on_disk(shard), offset, size, name)


def read_member(shard: Shard, key: str) -> bytes:
    """The bytes of an image by its sample's key or its member's name. Raises `BadImage`, `BadShard`."""
    table = table_of(shard)
    if key not in table.by_name:
        raise BadImage(f"{shard.url}/{key}", "is not in the shard")
    return read_row(shard, table, table.by_name[key])


def counted(shards: Sequence[Shard], count: Callable[[Shard], int], *, skip: bool, where: str) -> list[Counted]:
    """The shards with at least one sample, and how many they hold; some at a time, since it may take reading them.

    Raises:
        BadShard: one is lost, and not to be skipped. DataError: nothing is left.
    """
    found: list[Counted] = []
    lost = 0
    with progress("shards", len(shards)) as advance, ThreadPoolExecutor(_AT_ONCE) as threads:
        for shard, result in zip(shards, threads.map(lambda each: _tried(count, each), shards), strict=True):
            advance(1)
            if isinstance(result, int):
                found += [Counted(shard, result)] if result else []
            elif skip:
                lost += 1
                log.warning("left out: %s", result)
            else:
                threads.shutdown(wait=False, cancel_futures=True)
                raise result
    if lost > max(1.0, _MOST_LOST * len(shards)):
        raise DataError(f"{lost} of {len(shards)} shards of `{where}` are lost, too many to skip")
    if not found:
        raise DataError(f"`{where}` holds no images")
    return found


def _tried(count: Callable[[Shard], int], shard: Shard) -> int | BadShard:
    try:
        if not is_remote(shard.url) and not os.path.exists(shard.url):
            return BadShard(f"the shard `{shard.url}` is missing")
        return count(shard)
    except BadShard as error:
        return error
