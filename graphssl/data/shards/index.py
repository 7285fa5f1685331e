"""`index.json` beside shards, which spares reading them: how many samples each holds, its size and MD5, and the names of the classes.

The format is that of the library wids (`wids-shard-index-v1`) and one word more, `classes`. An index without that word says nothing of
labels, so that its images count as unlabelled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from graphssl.data.errors import DataError
from graphssl.data.shards.names import PIPE, is_remote
from graphssl.plainfile import open_plain
from graphssl.wholefile import write_atomically

NAME = "index.json"
_KIND = {"__kind__": "wids-shard-index-v1", "wids_version": 1}
_ABSENT = (401, 403, 404, 410)  # what a server answers where there is none; some hide that by forbidding it


@dataclass(frozen=True)
class Entry:
    """Of a shard: its name, and the facts that the index has."""

    url: str
    nsamples: int
    filesize: int | None = None
    md5sum: str = ""


@dataclass(frozen=True)
class Index:
    """The shards of a folder by their names, and classes."""

    shards: Mapping[str, Entry]
    classes: tuple[str, ...]


def write_index(folder: Path, entries: Sequence[Entry], classes: Sequence[str]) -> None:
    shards = [asdict(entry) for entry in entries]
    text = json.dumps({**_KIND, "shardlist": shards, "classes": list(classes)}, indent=1)
    write_atomically(folder / NAME, text + "\n")


def read_index(shard: str) -> Index | None:
    """The index beside a shard, where there is one. Raises DataError where it cannot be read."""
    if shard.startswith(PIPE):
        return None
    where = f"{shard.rpartition('/')[0]}/{NAME}"
    text = _remote(where) if is_remote(shard) else _local(where)
    return _parsed(text, where) if text is not None else None


def _local(where: str) -> bytes | None:
    try:
        with open_plain(where) as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"`{where}` cannot be read: {error.strerror}") from None


def _remote(where: str) -> bytes | None:
    import fsspec

    try:
        with fsspec.open(where, "rb") as file:
            return bytes(file.read())
    except (FileNotFoundError, PermissionError):
        return None
    except Exception as error:  # fsspec's file systems raise many kinds
        if getattr(error, "status", None) in _ABSENT:
            return None
        raise DataError(f"`{where}` cannot be read: {error}") from None


def _parsed(text: bytes, where: str) -> Index:
    try:
        found: Any = json.loads(text)
        entries = [
            Entry(str(each["url"]), int(each["nsamples"]), each.get("filesize"), str(each.get("md5sum") or ""))
            for each in found["shardlist"]
        ]
        classes = tuple(map(str, found.get("classes") or ()))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"`{where}` is no index of shards (`wids-shard-index-v1`); mend it, or remove it") from None
    return Index({entry.url.rpartition("/")[2]: entry for entry in entries}, classes)
