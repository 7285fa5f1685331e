"""Images in an archive.

Zip files and plain tars are read in place. A compressed tar has no random access, so its images are unpacked once
into the cache folder ($GRAPHSSL_CACHE, else $XDG_CACHE_HOME/graphssl, else ~/.cache/graphssl).
"""

from __future__ import annotations

import gzip
import lzma
import os
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Literal

from torch import Tensor

from graphssl.data.decode import MAX_BYTES, decode
from graphssl.data.errors import BadImage, DataError
from graphssl.data.layout import is_image, lay_out

COMPRESSED_TARS = (".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")
SUFFIXES = (".zip", ".tar", *COMPRESSED_TARS)
_KEEP_FREE = 1 << 28  # bytes of disk an unpacked archive leaves free


class TarSource:
    """The images of one split of an uncompressed tar, read in place by their offsets."""

    def __init__(self, name: str, path: Path, split: str) -> None:
        self.name = name
        self._path = path
        with _opened_tar(path, name, "r:") as tar:
            self._places = {m.name: (m.offset_data, m.size) for m in tar if m.isreg() and not m.issparse()}
        layout = lay_out(self._places, split, name)
        self.classes, self._files, self._labels = layout.classes, layout.files, layout.labels

    def __len__(self) -> int:
        return len(self._files)

    def label(self, index: int) -> int:
        return self._labels[index]

    def describe(self, index: int) -> str:
        return f"{self.name}/{self._files[index]}"

    def load(self, index: int) -> Tensor:
        """The image as uint8 [3 h w]; raises `BadImage`."""
        offset, size = self._places[self._files[index]]
        if size > MAX_BYTES:
            raise BadImage(self.describe(index), f"is larger than {MAX_BYTES >> 20} MiB")
        try:
            with open(self._path, "rb") as file:
                file.seek(offset)
                data = file.read(size)
        except OSError as error:
            raise BadImage(self.describe(index), f"cannot be read: {error.strerror}") from None
        return decode(data, self.describe(index))


class ZipSource:
    """The images of one split of a zip file, read in place."""

    def __init__(self, name: str, path: Path, split: str) -> None:
        self.name = name
        self._path = path
        self._open: tuple[int, zipfile.ZipFile] | None = None
        layout = lay_out(self._archive().namelist(), split, name)
        self.classes, self._files, self._labels = layout.classes, layout.files, layout.labels

    def __len__(self) -> int:
        return len(self._files)

    def label(self, index: int) -> int:
        return self._labels[index]

    def describe(self, index: int) -> str:
        return f"{self.name}/{self._files[index]}"

    def load(self, index: int) -> Tensor:
        """The image as uint8 [3 h w]; raises `BadImage`."""
        path = self.describe(index)
        try:
            with self._archive().open(self._files[index]) as member:
                data = member.read(MAX_BYTES + 1)
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError, EOFError) as error:
            raise BadImage(path, f"cannot be read from the archive: {error}") from None
        if len(data) > MAX_BYTES:
            raise BadImage(path, f"is larger than {MAX_BYTES >> 20} MiB")
        return decode(data, path)

    def _archive(self) -> zipfile.ZipFile:
        """This process's own handle: forked workers that shared one would move each other's position."""
        if self._open is None or self._open[0] != os.getpid():
            try:
                self._open = os.getpid(), zipfile.ZipFile(self._path)
            except (OSError, zipfile.BadZipFile) as error:
                raise DataError(f"`{self.name}` cannot be read as a zip file: {error}; is it complete?") from None
        return self._open[1]

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_open": None}


def unpacked(name: str, path: Path) -> Path:
    """The folder that holds the images of a compressed tar, unpacked now unless it was before.

    The folder's name depends on the archive's path, size and time of change. It appears under that name only when
    complete, so an interrupted run leaves no half of it behind, and processes that unpack at once do no harm.

    Raises:
        DataError: not a tar, damaged, a member would be written outside, or the disk would be full.
    """
    stat = path.stat()
    identity = f"{path.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}"
    home = cache_folder() / "archives"
    target = home / f"{path.name.split('.')[0]}-{blake2b(identity.encode(), digest_size=8).hexdigest()}"
    if target.is_dir():
        return target
    try:
        home.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=home))
    except OSError as error:
        raise DataError(f"cannot write to the cache folder `{home}`: {error}; set GRAPHSSL_CACHE") from None
    try:
        _unpack(name, path, scratch)
        scratch.rename(target)
    except OSError as error:
        if not target.is_dir():  # else another process was faster
            raise DataError(f"`{name}` cannot be unpacked to `{home}`: {error}; set GRAPHSSL_CACHE") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def cache_folder() -> Path:
    """Where downloads and unpacked archives go."""
    if own := os.environ.get("GRAPHSSL_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "graphssl"


def _unpack(name: str, path: Path, target: Path) -> None:
    room = shutil.disk_usage(target).free - _KEEP_FREE
    with _opened_tar(path, name, "r:*") as tar:
        for member in _images(tar, name, target):
            room -= member.size
            if room < 0:
                raise DataError(f"`{name}` does not fit on the disk of `{target.parent}`; set GRAPHSSL_CACHE")
            tar.extract(member, target, filter="data")


def _images(tar: tarfile.TarFile, name: str, target: Path) -> Iterator[tarfile.TarInfo]:
    """The regular files with an image's extension; links and other files are passed over."""
    for member in tar:
        parts = PurePosixPath(member.name).parts
        if parts[:1] == ("/",) or ".." in parts:
            raise DataError(f"`{name}` holds `{member.name}`, which lies outside the archive; do not trust it")
        try:
            tarfile.data_filter(member, str(target))
        except tarfile.FilterError:
            continue
        if member.isreg() and is_image(parts):
            yield member


@contextmanager
def _opened_tar(path: Path, name: str, mode: Literal["r:", "r:*"]) -> Iterator[tarfile.TarFile]:
    """A tar opened for reading; what goes wrong until it is closed becomes a `DataError`."""
    try:
        with tarfile.open(path, mode) as tar:
            yield tar
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise DataError(f"`{name}` cannot be read as a tar: {error}; is the file complete?") from None
