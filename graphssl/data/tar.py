"""Tars: what is in them, and their members in place. Headers are not trusted: a name or number that means nothing is an error."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

from graphssl.data.decode import MAX_BYTES
from graphssl.data.errors import BadImage, DataError
from graphssl.plainfile import open_plain

_MOST_AT_ONCE = 1 << 20  # bytes that are read at once: the header of a member and its name
_COMPRESSIONS: tuple[tuple[bytes, Callable[[IO[bytes]], Any]], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"\xfd7zXZ\0", lzma.open),
    (b"BZh", bz2.open),
)


@contextmanager
def opened_tar(path: Path, name: str) -> Iterator[tarfile.TarFile]:
    """A tar opened for reading, unpacked on the way if it is compressed; what goes wrong until it is closed becomes a `DataError`."""
    try:
        opened = open_plain(path)
    except OSError as error:
        raise DataError(f"`{name}` cannot be read: {(error.strerror or str(error)).lower()}") from None
    try:
        with opened as file:
            start = file.read(8)
            file.seek(0)
            unpacker: Callable[[IO[bytes]], Any] = nullcontext
            unpacker = next((found for magic, found in _COMPRESSIONS if start.startswith(magic)), unpacker)
            with unpacker(file) as stream, tarfile.open(fileobj=_Bounded(stream), mode="r:") as tar:  # type: ignore[call-overload]
                yield tar
    except DataError:
        raise
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, ValueError, OverflowError) as error:
        # the last two: numbers and names of headers that mean nothing
        raise DataError(f"`{name}` cannot be read as a tar: {error}; is the file complete?") from None


def members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """All members, one at a time: tarfile itself would keep every one in memory."""
    while (member := tar.next()) is not None:
        if member.size < 0:
            raise tarfile.ReadError(f"the member {member.name!r} has a negative size")
        yield member
        tar.members.clear()  # type: ignore[attr-defined]


def read_at(path: Path, offset: int, size: int, name: str) -> bytes:
    """The content of a member, an image called `name`, by where it begins; raises `BadImage`."""
    if size > MAX_BYTES:
        raise BadImage(name, f"is larger than {MAX_BYTES >> 20} MiB")
    try:
        with open_plain(path) as file:
            file.seek(offset)
            return file.read(size)
    except OSError as error:
        raise BadImage(name, f"cannot be read: {error.strerror}") from None


class _Bounded:
    """A stream that gives little at once: tarfile reads a name whole, however long its header says it is."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MOST_AT_ONCE:
            raise tarfile.ReadError("the header of a member is longer than any name")
        return self._stream.read(size)
