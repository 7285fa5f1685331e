"""Shards written from any source: its encoded images as they are, labels, and an index; a killed command goes on where it was.

A shard's images depend on its number alone, and a shard gets its name when it is whole, so what is there may stay, whoever was killed when.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import logging
import math
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import Dataset

from graphssl.data.decode import extension_of
from graphssl.data.errors import BadImage, DataError
from graphssl.data.identity import identified
from graphssl.data.philox import key_of, permutation
from graphssl.data.shard_sampler import ShardSampler
from graphssl.data.shards.index import NAME as INDEX
from graphssl.data.shards.index import Entry, write_index
from graphssl.data.shards.table import scan
from graphssl.data.sources import ImageSource
from graphssl.data.tar import add_member
from graphssl.data.workers import in_order
from graphssl.data.wrapped import unwrapped
from graphssl.progress import progress
from graphssl.wholefile import remove_unfinished, whole, write_atomically

log = logging.getLogger(__name__)

_MOST_IMAGES = 10_000  # of a shard whose size in bytes is asked for
_LOOKED_AT = 64  # images whose mean size decides how many make a shard
_BEGUN = ".shards.json"


@dataclass(frozen=True)
class Written:
    """What was written: shards, images in them, and images that could not be read."""

    shards: int
    images: int
    left_out: int


def write_shards(
    source: ImageSource,
    folder: Path,
    *,
    images: int | None = None,
    size_mb: float = 256,
    shuffle: int | None = 0,
    workers: int = 0,
) -> Written:
    """Write FOLDER/shard-000000.tar, … and FOLDER/index.json.

    Args:
        images: of a shard. None: as many as give about `size_mb`, at most 10,000.
        shuffle: the seed of the order in which images are written; None: that of the source.

    Raises:
        DataError: something else is in the folder, it cannot be written, or no image can be read.
    """
    if (folder / INDEX).exists():
        raise DataError(f"`{folder}` holds shards already: choose another -o, or remove it")
    size = images or _images_of(source, size_mb)
    facts = {"data": _identity(source), "images": size, "shuffle": shuffle}
    order = _order(source, size, shuffle)
    parts = [order[start : start + size] for start in range(0, len(order), size)]
    items = _Shards(source, [folder / f"shard-{number:06d}.tar" for number in range(len(parts))], parts)
    try:
        _begin(folder, facts, {path.name for path in items.paths})
        entries: list[tuple[Entry, int]] = []
        with progress("shards", len(parts)) as advance:
            for entry in in_order(items, range(len(parts)), workers):
                entries.append(entry)
                advance(1)
        return _finish(source, folder, entries)
    except OSError as error:
        raise _refused(folder, error) from None


def encoded(source: ImageSource, index: int) -> tuple[bytes, str]:
    """An image as a file has it, and what such a file is called at its end; one that lies in no file as PNG. Raises `BadImage`."""
    if hasattr(unwrapped(source), "read"):
        data: bytes = source.read(index)  # type: ignore[attr-defined]
        if not (extension := extension_of(data)):
            raise BadImage(source.describe(index), "is not an image in a known format")
        return data, extension
    out = io.BytesIO()
    Image.fromarray(source.load(index).permute(1, 2, 0).numpy()).save(out, "PNG")
    return out.getvalue(), ".png"


def _order(source: ImageSource, size: int, shuffle: int | None) -> NDArray[np.int64]:
    """In which order images are written; those that lie in shards in that of training, which needs few of them at a time."""
    if shuffle is None:
        return np.arange(len(source))
    if sizes := getattr(source, "shard_sizes", ()):
        return np.array(ShardSampler(sizes, min(size, len(source)), seed=shuffle).order(0))
    return permutation(key_of("shard", shuffle), 0, len(source))


class _Shards(Dataset[Any]):
    """Item i writes the i-th shard, unless it is there, and is what the index says of it."""

    def __init__(self, source: ImageSource, paths: Sequence[Path], parts: Sequence[NDArray[np.int64]]) -> None:
        self.paths = paths
        self._source, self._parts = source, parts

    def __getitem__(self, number: int) -> tuple[Entry, int]:
        path = self.paths[number]
        try:
            if not path.exists():
                self._write(path, self._parts[number].tolist())
            entry = _entry(path)
        except OSError as error:
            raise _refused(path.parent, error) from None
        return entry, len(self._parts[number]) - entry.nsamples

    def _write(self, path: Path, indices: Sequence[int]) -> None:
        with whole(path) as part, tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as tar:
            for index in indices:
                try:
                    data, extension = encoded(self._source, index)
                except BadImage as error:
                    log.warning("left out: %s", error)
                    continue
                add_member(tar, f"{index:09d}{extension}", data)
                if (label := self._source.label(index)) >= 0:
                    add_member(tar, f"{index:09d}.cls", str(label).encode())


def _entry(path: Path) -> Entry:
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    return Entry(path.name, len(scan(path, str(path))), path.stat().st_size, md5)


def _begin(folder: Path, facts: dict[str, Any], names: set[str]) -> None:
    """Refuse a folder of anything else; what a killed command was just writing goes."""
    folder.mkdir(parents=True, exist_ok=True)
    begun, there = folder / _BEGUN, {path.name for path in folder.iterdir()}
    if not begun.exists() and there - {f".{_BEGUN}.part", ".lock"}:
        raise DataError(f"`{folder}` is not empty, and no shards were begun there: choose another -o")
    if begun.exists() and begun.read_text() != _text(facts):
        raise DataError(f"`{folder}` was begun with other images or options: choose another -o, or remove it")
    write_atomically(begun, _text(facts))
    remove_unfinished(folder)
    if strange := there - names - {_BEGUN} - {path for path in there if path.startswith(".")}:
        raise DataError(f"`{folder}` holds `{min(strange)}`, which is no shard of this command: choose another -o")


def _finish(source: ImageSource, folder: Path, entries: Sequence[tuple[Entry, int]]) -> Written:
    images = sum(entry.nsamples for entry, _ in entries)
    if not images:
        raise DataError(f"none of the {len(source)} images of `{source.name}` can be read")
    write_index(folder, [entry for entry, _ in entries], source.classes)
    (folder / _BEGUN).unlink()
    return Written(len(entries), images, sum(lost for _, lost in entries))


def _images_of(source: ImageSource, size_mb: float) -> int:
    """How many images make a shard of this size, by the mean of some that are spread evenly; a tar rounds each up to blocks."""
    sizes = []
    for index in np.linspace(0, len(source) - 1, min(_LOOKED_AT, len(source))).round().astype(int).tolist():
        try:
            sizes.append(1024 + 512 * math.ceil(len(encoded(source, index)[0]) / 512) + 1024)
        except BadImage:
            continue
    return min(_MOST_IMAGES, max(1, round(size_mb * 2**20 * len(sizes) / sum(sizes)))) if sizes else _MOST_IMAGES


def _identity(source: ImageSource) -> str:
    return str(identified(hashlib.blake2b(digest_size=16), source).hexdigest())


def _text(facts: dict[str, Any]) -> str:
    return json.dumps(facts, indent=1) + "\n"


def _refused(folder: Path, error: OSError) -> DataError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    stay = "; the shards that are there stay, and the same command goes on with them" if full else ""
    return DataError(f"cannot write to `{folder}`: {(error.strerror or str(error)).lower()}{stay}")
