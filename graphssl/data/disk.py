"""Decoded images kept on disk, each as soon as it was decoded once.

A data set has a folder of its own, named after what tells it from any other, with two files: `pixels`, to which images are
appended, and `index`, with a fixed place for each image that says where its pixels are. An image counts as kept only
when its checksum is right, which covers its number and its data set, too. So whatever is damaged, cut short, foreign or
half written when a run was killed is decoded again, and runs that write at once do each other no harm.
"""

from __future__ import annotations

import errno
import logging
import mmap
import os
import re
import shutil
import struct
import weakref
import zlib
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import PIL
import torch
import torchvision
from torch import Tensor

from graphssl import __version__
from graphssl.data.decode import MAX_PIXELS
from graphssl.data.errors import DataError
from graphssl.data.identity import identified
from graphssl.data.wrapped import Wrapped

if TYPE_CHECKING:
    from graphssl.data.sources import ImageSource

log = logging.getLogger(__name__)

_ENTRY = struct.Struct("<QIII")  # of `index`: offset in `pixels`, height, width, checksum
_KEEP_FREE = 1 << 28  # bytes of disk that are left to others
_FORMAT = f"1 {__version__} {torchvision.__version__} {PIL.__version__}"  # other decoders may round otherwise


class OnDisk(Wrapped):
    """A source whose images are kept in a folder. When nothing more can be written, that is told once and the rest is decoded.

    Raises:
        DataError: the folder cannot be made or written to.
    """

    def __init__(self, source: ImageSource, home: Path) -> None:
        super().__init__(source)
        self._home = home
        self._key = identified(blake2b(_FORMAT.encode(), digest_size=16), source).digest()
        name = re.sub(r"[^\w.-]+", "_", Path(source.name).name)[:40]
        self._folder = home / f"{name}-{self._key.hex()}"
        self._open: tuple[int, int, int] | None = None
        self._full = mmap.mmap(-1, 1)  # shared with workers forked later, so that one of them tells
        if not hasattr(os, "preadv"):
            raise DataError("--cache disk needs a POSIX system: use --cache ram")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._files()
        except OSError as error:
            raise DataError(
                f"decoded images cannot be kept in `{home}`: {(error.strerror or str(error)).lower()}; use another --cache-dir, or --cache ram"
            ) from None

    def load(self, index: int) -> Tensor:
        """The image as uint8 [3 h w]; raises `BadImage`."""
        image = self._read(index)
        if image is None:
            image = self._source.load(index)
            if not self._full[0]:
                try:
                    self._write(index, image)
                except OSError as error:
                    self._full[0] = 1
                    log.warning(
                        "no more decoded images are kept in `%s`: %s; the rest is decoded each time",
                        self._home,
                        (error.strerror or str(error)).lower(),
                    )
        return image

    def _read(self, index: int) -> Tensor | None:
        """The image if it is kept and its checksum is right."""
        places, pixels = self._files()
        try:
            entry = os.pread(places, _ENTRY.size, index * _ENTRY.size)
            if len(entry) < _ENTRY.size:
                return None
            offset, height, width, checksum = _ENTRY.unpack(entry)
            size = 3 * height * width
            if not 0 < size <= 3 * MAX_PIXELS or offset + size > os.fstat(pixels).st_size:
                return None
            data = bytearray(size)
            if os.preadv(pixels, [data], offset) != size or self._checksum(index, height, width, data) != checksum:
                return None
        except OSError:  # a disk that cannot be read any more
            return None
        return torch.frombuffer(data, dtype=torch.uint8).view(3, height, width)

    def _write(self, index: int, image: Tensor) -> None:
        """Keep an image: first its pixels, then where they are."""
        places, pixels = self._files()
        data = image.contiguous().numpy().data.cast("B")
        if shutil.disk_usage(self._folder).free < _KEEP_FREE or os.write(pixels, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        offset = os.lseek(pixels, 0, os.SEEK_CUR) - len(data)  # what is appended is whole, wherever others append
        height, width = image.shape[-2:]
        entry = _ENTRY.pack(offset, height, width, self._checksum(index, height, width, data))
        os.pwrite(places, entry, index * _ENTRY.size)

    def _checksum(self, index: int, height: int, width: int, data: bytearray | memoryview) -> int:
        return zlib.crc32(data, zlib.crc32(self._key + struct.pack("<QII", index, height, width)))

    def _files(self) -> tuple[int, int]:
        """`index` and `pixels`, opened by this process itself: processes that shared a file would share its position."""
        if self._open is None or self._open[0] != os.getpid():
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            places = os.open(self._folder / "index", flags, 0o644)
            weakref.finalize(self, os.close, places)
            pixels = os.open(self._folder / "pixels", flags | os.O_APPEND, 0o644)
            weakref.finalize(self, os.close, pixels)
            self._open = os.getpid(), places, pixels
        return self._open[1:]

    def __reduce__(self) -> tuple[object, ...]:
        return OnDisk, (self._source, self._home)
