"""From a pattern of shards to the name of each: an absolute path, a URL that fsspec opens, or a `pipe:` command.

`{000..099}` counts, with leading zeros where it has them, `{a,b}` lists, `{split}` is the split; `*`, `?` and `[…]` match what is there.
"""

from __future__ import annotations

import glob
import itertools
import math
import os
import re
from contextlib import suppress
from pathlib import Path

from graphssl.data.archive import COMPRESSED_TARS
from graphssl.data.errors import DataError, NoSplit
from graphssl.data.layout import FOLDERS_OF_SPLIT, closest_path

PIPE = "pipe:"
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}|\{([^{}]*,[^{}]*)\}")
_MOST = 1_000_000  # shards


def is_remote(shard: str) -> bool:
    """Whether a shard has to be fetched: from a URL, or out of a command."""
    return shard.startswith(PIPE) or "://" in shard


def shards_of(pattern: str, split: str, where: str) -> list[str]:
    """The shards of one split, in order, none twice.

    Args:
        pattern: as above, or a folder: the tars in it.
        where: as the user wrote it, for messages.

    Raises:
        NoSplit: "test" is asked for, and the pattern has no `{split}`, or nothing is there for it. DataError: nothing is there.
    """
    if "{split}" not in pattern:
        if split != "train":
            raise NoSplit(
                f"`{where}` has no test images; write `{{split}}` where the names of the shards tell them apart"
            )
        return _all(pattern, where)
    for word in FOLDERS_OF_SPLIT[split]:
        with suppress(DataError):
            found = _all(pattern.replace("{split}", word), where)
            if _is_there(found[0]):
                return found
    words = " or ".join(f"`{pattern.replace('{split}', word)}`" for word in FOLDERS_OF_SPLIT[split])
    raise NoSplit(f"`{where}` has no {split} images: there is no {words}")


def _all(pattern: str, where: str) -> list[str]:
    found = [name for written in expanded(pattern) for name in _there(written.removeprefix("file://"))]
    if not found or not any(is_remote(name) or os.path.exists(name) for name in found):
        hint = closest_path(Path(found[0])) if found else ""
        raise DataError(f"`{where}` names no shards: none is there{hint}")
    return list(dict.fromkeys(found))


def _is_there(name: str) -> bool:
    """Whether a shard is there, as far as that can be told: a command has to be started for it."""
    if name.startswith(PIPE):
        return True
    if "://" not in name:
        return os.path.exists(name)
    from fsspec.core import url_to_fs

    try:
        system, path = url_to_fs(name)
        return bool(system.exists(path))
    except Exception as error:  # fsspec's file systems raise many kinds
        raise DataError(f"`{name}` cannot be looked for: {error}") from None


def expanded(pattern: str) -> list[str]:
    """The pattern once for each value of its braces. Raises DataError where there are too many."""
    braces = [*_BRACES.finditer(pattern)]
    ends = [0, *(each.end() for each in braces)]
    between = [pattern[end : each.start()] for end, each in zip(ends, braces)]
    values = [_values(each) for each in braces]
    if math.prod(map(len, values)) > _MOST:
        raise DataError(f"`{pattern}` names more than {_MOST:,} shards")
    return ["".join(map("".join, zip(between, chosen))) + pattern[ends[-1] :] for chosen in itertools.product(*values)]


def _values(braces: re.Match[str]) -> list[str]:
    first, last, words = braces.groups()
    if words is not None:
        return words.split(",")  # type: ignore[no-any-return]
    if not 0 <= int(last) - int(first) < _MOST:
        raise DataError(f"`{braces.group()}` counts backwards, or to more than {_MOST:,}")
    width = len(first) if first.startswith("0") else 0
    return [f"{number:0{width}d}" for number in range(int(first), int(last) + 1)]


def _there(name: str) -> list[str]:
    """What one name stands for; a name without `*` stands for itself, whether it is there or not."""
    if name.startswith(PIPE):
        return [name]
    if "://" in name:
        return _matching(name) if glob.has_magic(name.partition("?")[0]) else [name]
    path = os.path.abspath(os.path.expanduser(name))
    if os.path.isdir(path):
        return sorted(f"{path}/{file}" for file in os.listdir(path) if is_shard(file))
    return sorted(glob.glob(path)) if glob.has_magic(path) and not os.path.exists(path) else [path]


def is_shard(name: str) -> bool:
    """Whether a file is a tar, going by its name."""
    return name.endswith((".tar", *COMPRESSED_TARS)) and not name.startswith(".")


def _matching(url: str) -> list[str]:
    from fsspec.core import url_to_fs

    try:
        system, path = url_to_fs(url)
        return sorted(system.unstrip_protocol(name) for name in system.glob(path))
    except Exception as error:  # fsspec's file systems raise many kinds
        raise DataError(f"`{url}` cannot be listed: {error}; name the shards with braces, as in {{000..099}}") from None
