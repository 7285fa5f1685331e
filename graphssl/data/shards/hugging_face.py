"""`hf:NAME[:CONFIG][:SPLIT]`: data sets of the Hugging Face Hub, or a folder laid out like one, by the library datasets.

A data set of Parquet files or WebDataset shards is streamed: the files are shards, fetched when the order needs them. Any other is downloaded
and prepared as a whole by `datasets.load_dataset`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from torch import Tensor

from graphssl.data.decode import decode
from graphssl.data.errors import BadImage, DataError, NoSplit
from graphssl.data.shards.fetch import Shard
from graphssl.data.shards.names import is_remote
from graphssl.data.shards.parquet import footer
from graphssl.data.shards.source import ShardedSource, counted
from graphssl.data.shards.webdataset import open_shards
from graphssl.language.diagnostics import first_line
from graphssl.plainfile import open_plain

log = logging.getLogger(__name__)

_SPLITS = {"train": ("train",), "test": ("test", "validation", "valid", "val", "dev")}


def open_hugging_face(name: str, rest: str, split: str) -> ShardedSource | DownloadedSource:
    """The images of one split.

    Args:
        rest: a name on the Hub or a folder; a configuration; the split that the training images are taken from, without test images then.

    Raises:
        DataError: datasets is not installed, or gives nothing usable. `NoSplit`.
    """
    try:
        import datasets
    except ImportError:
        raise DataError("`hf:` needs the library datasets: pip install graphssl[hf]") from None
    path, *chosen = rest.split(":")
    try:
        builder, asked = _builder(datasets, path, chosen)
    except DataError:
        raise
    except Exception as error:  # the library and what it calls raise many kinds
        raise DataError(f"`{name}` cannot be opened: {first_line(error)}") from None
    files = {str(part): [str(file) for file in found] for part, found in (builder.config.data_files or {}).items()}
    kind = type(builder).__module__.rpartition(".")[2]
    if kind not in ("parquet", "webdataset"):
        return _downloaded(datasets, name, builder, asked, split)
    urls = files[_part(list(files), asked, split, name)]
    return open_shards(name, urls, skip=False) if kind == "webdataset" else _parquet(name, urls)


def _builder(datasets: Any, path: str, chosen: list[str]) -> tuple[Any, str]:
    """What gives a data set, and the split that was asked for ("": none)."""
    words = [word for word in chosen if word]
    if len(words) > 2:
        raise DataError(f"expected hf:NAME[:CONFIG][:SPLIT], got {len(words)} words behind `{path}`")
    names = datasets.get_dataset_config_names(path) if words else []
    config = words[0] if words and (len(words) == 2 or words[0] in names) else None
    asked = words[-1] if words and words[-1] != config else ""
    return datasets.load_dataset_builder(path, config), asked


def _part(there: list[str], asked: str, split: str, name: str) -> str:
    wanted = (asked,) if asked else _SPLITS[split]
    if asked and split != "train":
        raise NoSplit(f"`{name}` names one split, so it has no test images; leave it out")
    if found := [word for word in wanted if word in there]:
        return found[0]
    error = NoSplit if split != "train" else DataError
    raise error(f"`{name}` has no split {' or '.join(f'`{word}`' for word in wanted)}; it has {', '.join(there)}")


def _parquet(name: str, urls: list[str]) -> ShardedSource:
    classes: list[tuple[str, ...]] = []

    def count(shard: Shard) -> int:
        rows, columns = _footer(shard.url)
        classes.append(columns.classes)
        return rows

    found = counted([Shard(url) for url in urls], count, skip=False, where=name)
    return ShardedSource(name, found, max(classes, key=len))


def _footer(url: str) -> tuple[int, Any]:
    if not is_remote(url):
        with open_plain(url) as file:
            return footer(file, url)
    import fsspec

    try:
        with fsspec.open(url, "rb") as stream:
            return footer(stream, url)
    except DataError:
        raise
    except Exception as error:  # fsspec's file systems raise many kinds
        raise DataError(f"`{url}` cannot be read: {first_line(error)}") from None


def _downloaded(datasets: Any, name: str, builder: Any, asked: str, split: str) -> DownloadedSource:
    log.warning("`%s` is not made of Parquet files, so it is downloaded as a whole", name)
    try:
        builder.download_and_prepare()
        found = builder.as_dataset()
    except Exception as error:  # as above
        raise DataError(f"`{name}` cannot be downloaded: {first_line(error)}") from None
    return DownloadedSource(name, datasets, found[_part(list(found), asked, split, name)])


class DownloadedSource:
    """A data set of the library datasets that lies on disk as a whole. Raises DataError where it holds no images."""

    def __init__(self, name: str, datasets: Any, rows: Any) -> None:
        kinds = {
            kind: [k for k, v in rows.features.items() if isinstance(v, kind)]
            for kind in (datasets.Image, datasets.ClassLabel)
        }
        if not kinds[datasets.Image]:
            raise DataError(f"`{name}` has no column of images; it has {', '.join(rows.column_names)}")
        image, labels = kinds[datasets.Image][0], kinds[datasets.ClassLabel]
        self.name = name
        self.classes: tuple[str, ...] = tuple(rows.features[labels[0]].names) if labels else ()
        self._labels = [-1 if value is None else int(value) for value in rows[labels[0]]] if labels else []
        self._rows, self._image = rows.select_columns(image).cast_column(image, datasets.Image(decode=False)), image

    def __len__(self) -> int:
        return len(self._rows)

    def label(self, index: int) -> int:
        return self._labels[index] if self._labels else -1

    def describe(self, index: int) -> str:
        return f"{self.name}/{index}"

    def identity(self) -> Iterator[str]:
        yield f"hf {self.name} {self._rows._fingerprint} {len(self)}"

    def load(self, index: int) -> Tensor:
        """The image as uint8 [3 h w]; raises `BadImage`."""
        found = self._rows[index][self._image] or {}
        try:
            data = found.get("bytes") or open_plain(found.get("path") or "").read()
        except OSError as error:
            raise BadImage(self.describe(index), f"cannot be read: {error.strerror}") from None
        return decode(data, self.describe(index))
