"""What `--data` can name: one call, `open_data`, gives back an `ImageSource`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from torch import Tensor

from graphssl.data.archive import COMPRESSED_TARS, SUFFIXES, TarSource, ZipSource, unpacked
from graphssl.data.cache import cached, kept
from graphssl.data.errors import BadImage, DataError, NoSplit
from graphssl.data.folder import FolderSource
from graphssl.data.layout import closest_path
from graphssl.data.manifest import ManifestSource
from graphssl.data.masked_folder import MaskedFolder, has_masks
from graphssl.data.shapes import LAYOUTS, ShapesSource
from graphssl.data.shards.hugging_face import open_hugging_face
from graphssl.data.shards.webdataset import open_webdataset
from graphssl.data.torchvision_source import TorchvisionSource

__all__ = ["BadImage", "DataError", "ImageSource", "NoSplit", "cached", "kept", "open_data"]


class ImageSource(Protocol):
    """A fixed, numbered set of images, perhaps with labels; some know the class of each pixel (`label_maps.Mapped`)."""

    name: str  # as the user wrote it
    classes: tuple[str, ...]  # () when unlabelled

    def __len__(self) -> int: ...

    def label(self, index: int) -> int:
        """The class number, or -1 when unlabelled; does not decode the image."""
        ...

    def describe(self, index: int) -> str:
        """The file or archive member, for messages."""
        ...

    def identity(self) -> Iterator[str]:
        """Words that are others when the images, their order or number are; decodes none of them."""
        ...

    def load(self, index: int) -> Tensor:
        """The image as uint8 [3 h w], RGB. Raises `BadImage`."""
        ...


def open_data(text: str, split: str = "train", *, seed: int = 0) -> ImageSource:
    """The images that `--data` names.

    Args:
        text: `shapes` or `shapes:SIZE,COUNT` (generated; COUNT training images and a quarter as many for the test), or
            `shapes_single`, likewise, with one shape per image; a folder, of images beside masks, too (`MaskedFolder`);
            a .tar, .tar.gz, .tar.xz, .tar.bz2 or .zip of one; `wds:PATTERN` (`graphssl.data.shards.names`), or `wds+skip:PATTERN`,
            which leaves out shards that are lost; `hf:NAME[:CONFIG][:SPLIT]`; `manifest:FILE.parquet`; or `torchvision:NAME`. Folders
            and archives are laid out as `graphssl.data.layout` says.
        split: "train" or "test".
        seed: chooses the generated images; files ignore it.

    Raises:
        DataError: nothing usable is there. `NoSplit`: no test images.
    """
    if split not in ("train", "test"):
        raise ValueError(f"split is `train` or `test`, got {split!r}")
    kind, _, rest = text.partition(":")
    if kind in LAYOUTS:
        return ShapesSource(text, split, seed)
    if kind == "torchvision":
        return TorchvisionSource(text, rest, split)
    if kind in ("wds", "wds+skip"):
        return open_webdataset(text, rest, split, skip=kind.endswith("+skip"))
    if kind == "hf":
        return open_hugging_face(text, rest, split)
    if kind == "manifest":
        return ManifestSource(text, Path(rest).expanduser(), split)
    return _open_path(text, Path(text).expanduser(), split)


def _open_path(text: str, path: Path, split: str) -> ImageSource:
    if not path.exists():
        raise DataError(
            f"`{text}` does not exist{closest_path(path)}; expected `shapes`, a folder of images, "
            f"an archive ({', '.join(SUFFIXES)}), `wds:PATTERN`, `hf:NAME`, `manifest:FILE` or `torchvision:NAME`"
        )
    if path.is_dir():
        return (MaskedFolder if has_masks(path) else FolderSource)(text, path, split)
    name = path.name.lower()
    if name.endswith(".zip"):
        return ZipSource(text, path, split)
    if name.endswith(".tar"):
        return TarSource(text, path, split)
    if name.endswith(COMPRESSED_TARS):
        root = unpacked(text, path)
        return MaskedFolder(text, root, split) if has_masks(root) else FolderSource(text, root, split, archive=path)
    raise DataError(f"`{text}` is neither a folder nor an archive; expected a name ending in {', '.join(SUFFIXES)}")
