"""What a shard holds: the images in it and their labels, found by reading the headers of its members once.

A sample is what WebDataset says: neighbours in the tar whose names are the same up to the first dot of their last part. Its image is the first
member with an image's extension, its label the number in `.cls`, or `label` or `cls` in `.json`. Tables are kept in the cache folder.
"""

from __future__ import annotations

import json
import tarfile
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path, PurePosixPath
from threading import Lock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from graphssl.data.errors import BadShard, DataError
from graphssl.data.layout import is_image
from graphssl.data.shards.fetch import Shard, folder, on_disk
from graphssl.data.tar import members, opened_tar
from graphssl.plainfile import open_plain
from graphssl.wholefile import whole

_BLOCK = 512
_LABEL_BYTES = 1 << 20  # of a file that is read for its label
_VERSION = "1"


@dataclass(frozen=True, eq=False)
class Table:
    """The images of a shard, a row each; all but those that are the second in their sample, or a later one, are samples.

    Attributes:
        names: members of the tar.
        offsets, sizes: int64 [n], where their bytes are.
        labels: int64 [n], -1 where there is none.
        rows: int64 [samples], the rows that are samples.
        passed_over: samples without an image.
    """

    names: list[str]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    labels: NDArray[np.int64]
    rows: NDArray[np.int64]
    passed_over: int

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def by_name(self) -> dict[str, int]:
        """The row of an image by the name of its member, and by the key of its sample."""
        keys = {key_of_sample(self.names[row]): row for row in reversed(self.rows.tolist())}
        return keys | {name: row for row, name in enumerate(self.names)}


class Recent:
    """The tables used last, of so many images together."""

    def __init__(self, images: int) -> None:
        self._images, self._tables, self._lock = images, OrderedDict[Shard, Table](), Lock()

    def get(self, shard: Shard) -> Table:
        with self._lock:
            if shard in self._tables:
                self._tables.move_to_end(shard)
                return self._tables[shard]
        table = _made(shard)
        with self._lock:
            self._tables[shard] = table
            excess = sum(len(each.names) for each in self._tables.values()) - self._images
            while excess > 0 and len(self._tables) > 1:
                excess -= len(self._tables.popitem(last=False)[1].names)
        return table

    def clear(self) -> None:
        self._tables.clear()


recent = Recent(images=1 << 20)


def table_of(shard: Shard) -> Table:
    """What a shard holds; it is fetched where that is not known yet. Raises `BadShard`."""
    return recent.get(shard)


def _made(shard: Shard) -> Table:
    file = folder() / f"{shard.key}.table"
    with suppress(OSError, pa.ArrowException, KeyError, ValueError):
        return _read(file)
    table = scan(on_disk(shard), shard.url)
    with (
        suppress(OSError, ValueError, pa.ArrowException),
        whole(file) as part,
    ):  # a full disk, a name that is no text: made anew the next time
        _write(part, table)
    return table


def key_of_sample(name: str) -> str:
    """The name of a member up to the first dot of its last part."""
    return _split(name)[0]


def scan(path: Path, name: str) -> Table:
    """Read the headers of a tar, and labels. Raises `BadShard` where it is damaged or its end is missing."""
    try:
        with opened_tar(path, name) as tar:
            found = [
                _Member(_plain(each.name), each.offset_data, each.size, _label(tar, each))
                for each in members(tar)
                if each.isreg() and not each.issparse()
            ]
            end = tar.offset  # type: ignore[attr-defined]
        with open_plain(path) as file:
            file.seek(end)
            if file.read(_BLOCK) != bytes(_BLOCK):
                raise DataError("its end is missing, or a header in it is damaged")
    except DataError as error:
        raise BadShard(f"the shard `{name}` is damaged: {error}") from None
    return _table(found)


@dataclass(frozen=True)
class _Member:
    name: str
    offset: int
    size: int
    label: int

    @property
    def is_image(self) -> bool:
        return is_image(PurePosixPath(self.name).parts)


def _table(found: list[_Member]) -> Table:
    images: list[tuple[_Member, int]] = []
    rows: list[int] = []
    passed_over = 0
    for _, sample in groupby(found, key=lambda member: key_of_sample(member.name)):
        parts = list(sample)
        label = max(part.label for part in parts)
        if own := [(part, label) for part in parts if part.is_image]:
            rows.append(len(images))
            images += own
        else:
            passed_over += 1
    offsets, sizes, labels = (
        np.array([pick(image) for image in images], dtype=np.int64)
        for pick in (lambda i: i[0].offset, lambda i: i[0].size, lambda i: i[1])
    )
    return Table(
        [image.name for image, _ in images], offsets, sizes, labels, np.array(rows, dtype=np.int64), passed_over
    )


def _label(tar: tarfile.TarFile, member: tarfile.TarInfo) -> int:
    """The label in a `.cls` or `.json` member; -1 where it is neither, or names none."""
    extension = _split(member.name)[1].lower()
    if extension not in ("cls", "json") or member.size > _LABEL_BYTES:
        return -1
    opened = tar.extractfile(member)
    assert opened is not None
    try:
        if extension == "cls":
            return _known(int(opened.read()))
        found = json.loads(opened.read())
        return _known(int(found.get("label", found.get("cls", -1))))
    except (ValueError, TypeError, AttributeError):  # no number, or no JSON object
        return -1


def _known(label: int) -> int:
    """A number that no class can have is none."""
    return label if 0 <= label < 2**31 else -1


def _split(name: str) -> tuple[str, str]:
    folder, slash, last = name.rpartition("/")
    stem, _, extension = last.partition(".")
    return folder + slash + stem, extension


def _plain(name: str) -> str:
    return PurePosixPath(name).as_posix()


def _write(file: Path, table: Table) -> None:
    first = np.zeros(len(table.names), dtype=bool)
    first[table.rows] = True
    columns = {
        "name": pa.array(table.names),
        "offset": table.offsets,
        "size": table.sizes,
        "label": table.labels,
        "first": first,
    }
    facts = {"version": _VERSION, "passed_over": str(table.passed_over)}
    pq.write_table(pa.table(columns).replace_schema_metadata(facts), file)


def _read(file: Path) -> Table:
    open_plain(file).close()
    found = pq.read_table(file)
    facts = {key.decode(): value.decode() for key, value in (found.schema.metadata or {}).items()}
    if facts["version"] != _VERSION:
        raise ValueError(facts["version"])
    offsets, sizes, labels, first = (found[name].to_numpy() for name in ("offset", "size", "label", "first"))
    return Table(found["name"].to_pylist(), offsets, sizes, labels, np.flatnonzero(first), int(facts["passed_over"]))
