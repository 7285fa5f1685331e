"""Images in a folder on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from graphssl.data.decode import MAX_BYTES, decode
from graphssl.data.errors import BadImage, DataError
from graphssl.data.layout import lay_out
from graphssl.data.place import Place
from graphssl.plainfile import open_plain, state_of


class FolderSource:
    """The images of one split of a folder; see `graphssl.data.layout` for the layouts.

    archive: the archive that was unpacked into the folder, which images then lie in.

    Raises:
        DataError: the folder cannot be read or holds no images. `NoSplit`: it has no such split.
    """

    def __init__(self, name: str, root: Path, split: str, archive: Path | None = None) -> None:
        self.name = name
        self._root, self._archive = root, archive
        layout = lay_out(_walk(root, name), split, name)
        self.classes, self._files, self._labels = layout.classes, layout.files, layout.labels

    def __len__(self) -> int:
        return len(self._files)

    def label(self, index: int) -> int:
        return self._labels[index]

    def describe(self, index: int) -> str:
        return str(self._root / self._files[index])

    def identity(self) -> Iterator[str]:
        yield f"folder {self._root.resolve()}"
        for name in self._files:
            yield f"{name}\0{state_of(f'{self._root}/{name}')}"

    def place(self, index: int) -> Place:
        if self._archive:
            return Place(shard=str(self._archive.resolve()), key=self._files[index])
        return Place(path=os.path.abspath(self.describe(index)))

    def read(self, index: int) -> bytes:
        """The encoded image; raises `BadImage`."""
        return file_bytes(self.describe(index))

    def load(self, index: int) -> Tensor:
        """The image as uint8 [3 h w]; raises `BadImage`."""
        return decode(self.read(index), self.describe(index))


def file_bytes(path: str) -> bytes:
    """The content of an image's file; raises `BadImage`."""
    try:
        with open_plain(path) as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadImage(path, f"cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise BadImage(path, f"is larger than {MAX_BYTES >> 20} MiB")
    return data


def _walk(root: Path, name: str) -> Iterator[str]:
    """Relative paths of all files; linked folders are followed, but none is entered twice on the way down."""

    def refuse(error: OSError) -> None:
        raise DataError(f"`{name}` cannot be read: {error.strerror} at `{error.filename}`; check its permissions")

    for folder, folders, files in os.walk(root, followlinks=True, onerror=refuse):
        above = {os.path.realpath(parent) for parent in _lineage(folder, root)}
        folders[:] = [child for child in folders if os.path.realpath(os.path.join(folder, child)) not in above]
        inside = os.path.relpath(folder, root)
        prefix = "" if inside == "." else inside.replace(os.sep, "/") + "/"
        yield from (prefix + file for file in files)


def _lineage(folder: str, root: Path) -> Iterator[Path]:
    path = Path(folder)
    yield path
    while path != root:
        path = path.parent
        yield path
