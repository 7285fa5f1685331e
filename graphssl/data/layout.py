"""From the list of files in a folder or archive to classes and labels.

Four layouts: class subfolders (CLASS/.../x.jpg), flat (x.jpg, no labels), either of them under train/ and test/ (or
val/), and any of these inside one outer folder. A single folder of images says nothing about classes, so it counts
as flat. The order of classes and files is the sorted order of their names.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from graphssl.data.decode import EXTENSIONS
from graphssl.data.errors import DataError, NoSplit

FOLDERS_OF_SPLIT = {"train": ("train",), "test": ("test", "val")}


@dataclass(frozen=True)
class Layout:
    """Image files (paths relative to the top, with /), their labels (-1: none), and the class names."""

    files: tuple[str, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]


def lay_out(names: Iterable[str], split: str, where: str) -> Layout:
    """The images of one split.

    Args:
        names: relative paths of all files; files without an image's extension and hidden ones are ignored.
        split: "train" or "test".
        where: the folder or archive as the user wrote it, for messages.

    Raises:
        NoSplit: "test" is asked for and there is no test/ or val/ beside train/.
        DataError: no images, or images beside class folders.
    """
    paths = sorted(parts for name in names if is_image(parts := PurePosixPath(name).parts))
    if not paths:
        raise DataError(f"`{where}` holds no images; looked for files ending in {', '.join(sorted(EXTENSIONS))}")
    prefix: tuple[str, ...] = ()
    while _only_folders(paths) and {path[0] for path in paths} == {paths[0][0]} != {"train"}:
        prefix, paths = (*prefix, paths[0][0]), [path[1:] for path in paths]
    folder, paths = _split(paths, split, where)
    inner = "/".join((*prefix, *folder))
    tops = sorted({path[0] for path in paths if len(path) > 1})
    flat = sum(len(path) == 1 for path in paths)
    if flat and tops:
        raise DataError(
            f"`{where}` holds {flat} images beside the folder `{tops[0]}`, so it is neither flat nor one folder per "
            "class; move the images into class folders or away"
        )
    classes = tuple(tops) if len(tops) > 1 else ()
    number = {name: label for label, name in enumerate(classes)}
    files = tuple("/".join((inner, *path) if inner else path) for path in paths)
    return Layout(files, tuple(number.get(path[0], -1) for path in paths), classes)


def is_image(parts: tuple[str, ...]) -> bool:
    """Whether a relative path looks like an image of the user's, going by its name alone."""
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return bool(parts) and not hidden and PurePosixPath(parts[-1]).suffix.lower() in EXTENSIONS


def closest_path(path: Path) -> str:
    """A hint naming the entry of the parent folder closest to a path that does not exist; "" when there is none."""
    parent = path.parent
    if not parent.is_dir():
        return f" (nor does `{parent}`)" if parent.parent != parent else ""
    close = difflib.get_close_matches(path.name, sorted(entry.name for entry in parent.iterdir()), n=1)
    return f"; the closest name there is `{parent / close[0]}`" if close else ""


def _only_folders(paths: list[tuple[str, ...]]) -> bool:
    """Whether images lie at least two folders deep, so that dropping the outermost keeps the class folders."""
    return all(len(path) > 2 for path in paths)


def _split(paths: list[tuple[str, ...]], split: str, where: str) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The folder of the split (() when the data is not split) and the paths inside it."""
    tops = {path[0] for path in paths if len(path) > 1}
    if "train" not in tops:
        if split != "train":
            raise NoSplit(f"`{where}` has no test images; put them in a folder `test` (or `val`) beside a `train` one")
        return (), paths
    for folder in FOLDERS_OF_SPLIT[split]:
        if folder in tops:
            return (folder,), [path[1:] for path in paths if path[0] == folder and len(path) > 1]
    raise NoSplit(f"`{where}` has a folder `train` but neither `test` nor `val`; add one of them with held-out images")


MOST_CLASSES = 1_000_000


def numbered(largest: int, where: str) -> tuple[str, ...]:
    """Classes that have no names, called by their numbers from 0 to the largest. Raises DataError for one that counts something else."""
    if largest >= MOST_CLASSES:
        raise DataError(f"`{where}` has the label {largest}, and numbers of classes are smaller than {MOST_CLASSES:,}")
    return tuple(map(str, range(largest + 1)))
