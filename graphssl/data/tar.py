"""Tars: what is in them, and their members in place. Headers are not trusted: a name or number that means nothing is an error."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

from graphssl.data.decode import MAX_BYTES
from graphssl.data.errors import BadImage, BadShard, DataError
from graphssl.plainfile import open_plain

ALWAYS, TIMES = 1 << 30, 200  # bytes an archive may unpack to, and times its own size: images hardly compress
_MOST_AT_ONCE = 1 << 20  # bytes that are read at once: the header of a member and its name
_COMPRESSIONS: tuple[tuple[bytes, Callable[[IO[bytes]], Any]], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"\xfd7zXZ\0", lzma.open),
    (b"BZh", bz2.open),
)
_DAMAGED = (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, ValueError, OverflowError)
"""What reading a damaged tar raises; the last two: numbers and names of headers that mean nothing."""


@contextmanager
def opened_tar(path: Path, name: str) -> Iterator[tarfile.TarFile]:
    """A tar opened for reading, unpacked on the way if it is compressed; what goes wrong until it is closed becomes a `DataError`."""
    try:
        opened = open_plain(path)
    except OSError as error:
        raise DataError(f"`{name}` cannot be read: {(error.strerror or str(error)).lower()}") from None
    try:
        with opened as file:
            unpacker = unpacker_of(file.read(8)) or nullcontext
            file.seek(0)
            with unpacker(file) as stream, tarfile.open(fileobj=_Bounded(stream), mode="r:") as tar:  # type: ignore[call-overload]
                yield tar
    except DataError:
        raise
    except _DAMAGED as error:
        raise DataError(f"`{name}` cannot be read as a tar: {error}; is the file complete?") from None


def members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """All members, one at a time: tarfile itself would keep every one in memory."""
    while (member := tar.next()) is not None:
        if member.size < 0:
            raise tarfile.ReadError(f"the member {member.name!r} has a negative size")
        yield member
        tar.members.clear()  # type: ignore[attr-defined]


def unpacker_of(start: bytes) -> Callable[[IO[bytes]], Any] | None:
    """What unpacks a file that starts like this; None where it is not compressed."""
    return next((found for magic, found in _COMPRESSIONS if start.startswith(magic)), None)


def unpack_tar(packed: Path, out: IO[bytes], name: str) -> None:
    """Write a compressed tar as a plain one. Raises `BadShard` where it is damaged or swells as no images do."""
    try:
        with open_plain(packed) as file:
            unpacker, most = unpacker_of(file.read(8)) or nullcontext, max(ALWAYS, TIMES * packed.stat().st_size)
            file.seek(0)
            with unpacker(file) as stream:
                while piece := stream.read(_MOST_AT_ONCE):
                    out.write(piece)
                    if out.tell() > most:
                        raise BadShard(
                            f"the shard `{name}` unpacks to more than {TIMES} times its size, as no images do"
                        )
    except (*_DAMAGED, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's, not what bz2 says of its data
            raise
        raise BadShard(f"the shard `{name}` cannot be unpacked: {error}; is the file complete?") from None


def add_member(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Add a file to a tar that is written, the same bytes whenever and by whomever."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


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
