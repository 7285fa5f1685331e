"""Images in an archive.

Zip files and plain tars are read in place. A compressed tar has no random access, so its images are unpacked once
into the cache folder ($GRAPHSSL_CACHE, else $XDG_CACHE_HOME/graphssl, else ~/.cache/graphssl).
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path, PurePosixPath

from torch import Tensor

from graphssl.data.decode import MAX_BYTES, decode
from graphssl.data.errors import BadImage, DataError
from graphssl.data.layout import is_image, lay_out
from graphssl.data.place import Place
from graphssl.data.tar import ALWAYS, TIMES, members, opened_tar, read_at
from graphssl.plainfile import open_plain, state_of

COMPRESSED_TARS = (".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")
SUFFIXES = (".zip", ".tar", *COMPRESSED_TARS)
_KEEP_FREE = 1 << 28  # bytes of disk an unpacked archive leaves free
_BLOCK = 4096  # bytes of disk that the smallest file takes


class TarSource:
    """The images of one split of an uncompressed tar, read in place by their offsets."""

    def __init__(self, name: str, path: Path, split: str) -> None:
        self.name = name
        self._path = path
        with opened_tar(path, name) as tar:
            self._places = {m.name: (m.offset_data, m.size) for m in members(tar) if m.isreg() and not m.issparse()}
        layout = lay_out(self._places, split, name)
        self.classes, self._files, self._labels = layout.classes, layout.files, layout.labels

    def __len__(self) -> int:
        return len(self._files)

    def label(self, index: int) -> int:
        return self._labels[index]

    def describe(self, index: int) -> str:
        return f"{self.name}/{self._files[index]}"

    def identity(self) -> Iterator[str]:
        yield f"tar {self._path.resolve()} {state_of(self._path)}"
        yield from self._files

    def place(self, index: int) -> Place:
        return Place(shard=str(self._path.resolve()), key=self._files[index])

    def read(self, index: int) -> bytes:
        """The encoded image; raises `BadImage`."""
        return read_at(self._path, *self._places[self._files[index]], self.describe(index))

    def load(self, index: int) -> Tensor:
        """The image as uint8 [3 h w]; raises `BadImage`."""
        return decode(self.read(index), self.describe(index))


class ZipSource:
    """The images of one split of a zip file, read in place."""

    def __init__(self, name: str, path: Path, split: str) -> None:
        self.name = name
        self._path = path
        self._members = ZipMembers(name, path)
        layout = lay_out(self._members.names(), split, name)
        self.classes, self._files, self._labels = layout.classes, layout.files, layout.labels

    def __len__(self) -> int:
        return len(self._files)

    def label(self, index: int) -> int:
        return self._labels[index]

    def describe(self, index: int) -> str:
        return f"{self.name}/{self._files[index]}"

    def identity(self) -> Iterator[str]:
        yield f"zip {self._path.resolve()} {state_of(self._path)}"
        yield from self._files

    def place(self, index: int) -> Place:
        return Place(shard=str(self._path.resolve()), key=self._files[index])

    def read(self, index: int) -> bytes:
        """The encoded image; raises `BadImage`."""
        return self._members.read(self._files[index], self.describe(index))

    def load(self, index: int) -> Tensor:
        """The image as uint8 [3 h w]; raises `BadImage`."""
        return decode(self.read(index), self.describe(index))


class ZipMembers:
    """The members of a zip file, read by name. Raises DataError where it is none."""

    def __init__(self, name: str, path: Path) -> None:
        self._name, self._path = name, path
        self._open: tuple[int, zipfile.ZipFile] | None = None
        self._archive()

    def names(self) -> list[str]:
        return self._archive().namelist()

    def read(self, member: str, name: str) -> bytes:
        """The content of a member, an image called `name`; raises `BadImage`."""
        try:
            archive = self._archive()
            size = archive.getinfo(member).file_size
            if size > MAX_BYTES:
                raise BadImage(name, f"is larger than {MAX_BYTES >> 20} MiB")
            with archive.open(member) as opened:
                return opened.read(size)  # unpacks no more than that, whatever the member holds
        except BadImage:
            raise
        except Exception as error:  # zipfile and what it calls raise many kinds, none of them promised
            raise BadImage(name, f"cannot be read from the archive: {error}") from None

    def _archive(self) -> zipfile.ZipFile:
        """This process's own handle: forked workers that shared one would move each other's position."""
        if self._open is None or self._open[0] != os.getpid():
            try:
                open_plain(self._path).close()
                self._open = os.getpid(), zipfile.ZipFile(self._path)
            except Exception as error:  # as above
                raise DataError(f"`{self._name}` cannot be read as a zip file: {error}; is it complete?") from None
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
    identity = f"{path.resolve()}\0{state_of(path)}"
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
    most = max(ALWAYS, TIMES * path.stat().st_size)
    with opened_tar(path, name) as tar:
        for member in _images(tar, name, target, most):
            room -= member.size + _BLOCK
            if room < 0:
                raise DataError(f"`{name}` does not fit on the disk of `{target.parent}`; set GRAPHSSL_CACHE")
            tar.extract(member, target, filter="data")


def _images(tar: tarfile.TarFile, name: str, target: Path, most: int) -> Iterator[tarfile.TarInfo]:
    """The regular files with an image's extension, until all members together exceed `most` bytes.

    Links and other files are passed over, which still unpacks them in memory, piece by piece.
    """
    for member in members(tar):
        most -= member.size + _BLOCK
        if most < 0:
            raise DataError(
                f"`{name}` unpacks to more than {TIMES} times its size, as no images do; do not trust it, or unpack it "
                "into a folder yourself and name that"
            )
        parts = PurePosixPath(member.name).parts
        if PurePosixPath(member.name).is_absolute() or ".." in parts:
            raise DataError(f"`{name}` holds `{member.name}`, which lies outside the archive; do not trust it")
        if not (member.isreg() and is_image(parts)):
            continue
        try:
            tarfile.data_filter(member, str(target))
        except tarfile.FilterError:
            continue
        yield member
