"""The images that pictures are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from graphssl.data.decode import EXTENSIONS, decode
from graphssl.data.errors import BadImage, DataError
from graphssl.data.layout import closest_path, is_image
from graphssl.plainfile import open_plain

MOST = 64
"""Images of one sheet."""


@dataclass(frozen=True)
class Photo:
    """An image and what to call it. pixels: uint8 (3 h w)."""

    name: str
    pixels: Tensor


def read_photos(places: Sequence[str]) -> list[Photo]:
    """The images at these paths, in their order; those of a folder, and of folders in it, by name.

    Raises:
        DataError: a path that does not exist, a folder without images, an image that cannot be read, more than MOST images.
    """
    files = [file for place in places for file in _files(Path(place))]
    if len(files) > MOST:
        raise DataError(f"a sheet shows at most {MOST} images, and these are {len(files)}: name some of them")
    return [Photo(file.stem, _read(file)) for file in files]


def _files(place: Path) -> Iterable[Path]:
    if not place.is_dir():
        if not place.exists():
            raise DataError(f"`{place}` does not exist{closest_path(place)}")
        return [place]
    found = sorted(path for path in place.rglob("*") if path.is_file() and is_image(path.relative_to(place).parts))
    if not found:
        raise DataError(f"`{place}` holds no images; looked for files ending in {', '.join(sorted(EXTENSIONS))}")
    return found


def _read(file: Path) -> Tensor:
    try:
        with open_plain(file) as opened:
            return decode(opened.read(), str(file))
    except OSError as error:
        raise DataError(f"`{file}` cannot be read: {(error.strerror or str(error)).lower()}") from None
    except BadImage as error:
        raise DataError(str(error)) from None
