"""`manifest:FILE.parquet`: the images that a table lists, one a row; what `graphssl curate` writes, or anybody.

Columns: `path` of a file, or `shard` and `key` of a member of a tar, a zip, a WebDataset shard or a Parquet file, as in `Place`; relative
paths are relative to the manifest. `class` names the class of an image, or `label` gives its number. Other columns (`source`, `reason`,
`similarity`, `cluster`) are for people.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from torch import Tensor

from graphssl.data.archive import ZipMembers
from graphssl.data.decode import decode
from graphssl.data.errors import DataError, NoSplit
from graphssl.data.folder import file_bytes
from graphssl.data.layout import closest_path, numbered
from graphssl.data.place import Place
from graphssl.data.shards.fetch import Shard, is_plain, on_disk, prefetch
from graphssl.data.shards.names import PIPE, is_remote
from graphssl.data.shards.source import read_member
from graphssl.plainfile import open_plain, state_of

_COLUMNS = ("path", "shard", "key", "label", "class")
_ZIP = b"PK"
_TEXT = pa.large_string()  # the texts of a column may be more than 2 GiB together


class ManifestSource:
    """The images of a manifest, those of a shard beside each other, so that a manifest of many remote shards needs few at a time.

    Files and shards are looked for when they are used: what is missing then is a `BadImage`, a missing shard an error that names it. A manifest runs no commands (`pipe:`).

    Raises:
        DataError: no Parquet file, without the columns, or empty. `NoSplit`: "test" is asked for.
    """

    def __init__(self, name: str, path: Path, split: str) -> None:
        if split != "train":
            raise NoSplit(f"`{name}` has no test images; evaluate on another source")
        self.name, self._file = name, path
        table = _sorted(_read(path, name))
        self._paths, self._shards, self._keys = (table[word].combine_chunks() for word in ("path", "shard", "key"))
        self.classes, self._labels = _labels(table, name)
        self.shard_sizes = self._sizes()

    def __len__(self) -> int:
        return len(self._labels)

    def label(self, index: int) -> int:
        return int(self._labels[index])

    def place(self, index: int) -> Place:
        shard, key, path = (column[index].as_py() for column in (self._shards, self._keys, self._paths))
        return Place(path=self._absolute(path)) if path else Place(shard=self._absolute(shard), key=key)

    def describe(self, index: int) -> str:
        place = self.place(index)
        return place.path or f"{place.shard}/{place.key}"

    def identity(self) -> Iterator[str]:
        yield f"manifest {self._file.resolve()} {state_of(self._file)}"

    def read(self, index: int) -> bytes:
        """The encoded image; raises `BadImage`."""
        place = self.place(index)
        if place.path:
            return file_bytes(place.path)
        path = on_disk(Shard(place.shard))
        if _is_zip(path):
            return _opened(path).read(place.key, self.describe(index))
        return read_member(Shard(place.shard), place.key)

    def load(self, index: int) -> Tensor:
        """The image as uint8 [3 h w]; raises `BadImage`."""
        return decode(self.read(index), self.describe(index))

    def prefetch(self, index: int) -> None:
        """Have the shard of an image on this machine's disk."""
        if shard := self.place(index).shard:
            prefetch(Shard(shard))

    def _absolute(self, name: str) -> str:
        return name if is_remote(name) else os.path.normpath(self._file.parent.absolute() / name)

    def _sizes(self) -> tuple[int, ...]:
        """How many images each shard gives, where one must be fetched; files count as shards of ordinary size. Else ()."""
        counts = pc.value_counts(self._shards)  # in order of appearance, which is the order of the rows
        found = [(each["values"].as_py(), each["counts"].as_py()) for each in counts]
        if not any(shard and _fetched(self._absolute(shard)) for shard, _ in found):
            return ()
        mean = max(1, round(sum(count for shard, count in found if shard) / sum(bool(shard) for shard, _ in found)))
        sizes: list[int] = []
        for shard, count in found:
            sizes += [count] if shard else [mean] * (count // mean) + [count % mean] * bool(count % mean)
        return tuple(sizes)


def _read(path: Path, name: str) -> pa.Table:
    if not path.exists():
        raise DataError(f"`{name}` does not exist{closest_path(path)}")
    try:
        open_plain(path).close()
        there = pq.read_schema(path).names
        table = pq.read_table(path, columns=[column for column in _COLUMNS if column in there])
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"`{name}` cannot be read as Parquet: {str(error).splitlines()[0]}; is the file complete?"
        ) from None
    if "path" not in there and not {"shard", "key"} <= {*there}:
        raise DataError(f"`{name}` has neither a column `path` nor `shard` and `key`; it has {', '.join(there)}")
    if not len(table):
        raise DataError(f"`{name}` is empty")
    for word in ("path", "shard", "key"):
        if word not in there:
            table = table.append_column(word, pa.nulls(len(table), _TEXT))
    if any(shard.startswith(PIPE) for shard in pc.unique(table["shard"].cast(_TEXT)).drop_null().to_pylist()):
        raise DataError(f"`{name}` names a command (`{PIPE}`) as a shard; a file runs no commands: name files or URLs")
    lost = pc.and_(_blank(table["path"]), pc.or_(_blank(table["shard"]), _blank(table["key"])))
    if pc.any(lost).as_py():
        raise DataError(f"row {pc.index(lost, True).as_py()} of `{name}` has neither a `path` nor a `shard` and `key`")
    return table


def _blank(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.equal(pc.fill_null(column.cast(_TEXT), ""), "")


def _sorted(table: pa.Table) -> pa.Table:
    """Rows of the same shard beside each other, files first, else as they are; a row with a path has no shard."""
    paths, shards, keys = (pc.fill_null(table[word].cast(_TEXT), "") for word in ("path", "shard", "key"))
    shards = pc.if_else(pc.equal(paths, ""), shards, "")
    for word, column in (("path", paths), ("shard", shards), ("key", keys)):
        table = table.set_column(table.schema.get_field_index(word), word, column)
    codes = pc.rank(table["shard"].combine_chunks(), sort_keys="ascending", tiebreaker="dense").to_numpy()
    return table.take(np.argsort(codes, kind="stable"))


def _labels(table: pa.Table, name: str) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Names of the classes, and the number of each image's, -1 where it has none."""
    if "class" in table.schema.names:
        words = table["class"].cast(_TEXT)
        names = sorted(word for word in pc.unique(words).to_pylist() if word)
        if names:
            return tuple(names), pc.fill_null(pc.index_in(words, pa.array(names, _TEXT)), -1).to_numpy().astype(
                np.int64
            )
    if "label" not in table.schema.names:
        return (), np.full(len(table), -1)
    labels = np.maximum(-1, pc.fill_null(table["label"].cast(pa.int64()), -1).to_numpy())
    return numbered(int(labels.max()), name), labels


def _fetched(shard: str) -> bool:
    return is_remote(shard) or (os.path.exists(shard) and not is_plain(shard))


@lru_cache(maxsize=1 << 16)
def _is_zip(path: Path) -> bool:
    with open_plain(path) as file:
        return file.read(len(_ZIP)) == _ZIP


@lru_cache(maxsize=16)
def _opened(path: Path) -> ZipMembers:
    return ZipMembers(str(path), path)
