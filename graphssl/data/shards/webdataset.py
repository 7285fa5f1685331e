"""`wds:PATTERN`: WebDataset shards, on disk, behind URLs, or out of commands."""

from __future__ import annotations

import logging
import os

from graphssl.data.errors import BadShard
from graphssl.data.layout import numbered
from graphssl.data.shards.fetch import Shard
from graphssl.data.shards.index import Entry, Index, read_index
from graphssl.data.shards.names import is_remote, shards_of
from graphssl.data.shards.source import ShardedSource, counted
from graphssl.data.shards.table import table_of

log = logging.getLogger(__name__)


def open_webdataset(name: str, pattern: str, split: str, *, skip: bool) -> ShardedSource:
    """The samples of one split of a pattern (`graphssl.data.shards.names`).

    Numbers of samples and classes come from the `index.json` beside the shards; without one, each shard is read once. Classes that
    no index names are called by their numbers.

    Raises:
        DataError: nothing usable is there; `BadShard`: a shard is missing or damaged, unless it is to be skipped. `NoSplit`.
    """
    return open_shards(name, shards_of(pattern, split, name), skip=skip)


def open_shards(name: str, urls: list[str], *, skip: bool) -> ShardedSource:
    """The samples of these shards."""
    parents = {url.rpartition("/")[0]: url for url in urls}
    indices = {parent: read_index(url) for parent, url in parents.items()}
    entries = {url: _entry(indices[url.rpartition("/")[0]], url) for url in urls}
    shards = [Shard(url, entry.filesize, entry.md5sum) if (entry := entries[url]) else Shard(url) for url in urls]

    read: dict[str, tuple[int, int]] = {}  # of shards without an entry: samples that are passed over, largest label

    def count(shard: Shard) -> int:
        entry = entries[shard.url]
        if entry is None:
            table = table_of(shard)
            read[shard.url] = table.passed_over, int(table.labels.max(initial=-1))
            return len(table)
        if not is_remote(shard.url) and entry.filesize not in (None, size := os.path.getsize(shard.url)):
            raise BadShard(f"the shard `{shard.url}` is damaged: it has {size:,} bytes instead of {entry.filesize:,}")
        return entry.nsamples

    found = counted(shards, count, skip=skip, where=name)
    if passed_over := sum(samples for samples, _ in read.values()):
        log.warning("%d samples of `%s` have no image and are passed over", passed_over, name)
    numbers = numbered(max((label for _, label in read.values()), default=-1), name)
    named = max((index.classes for index in indices.values() if index), key=len, default=())
    return ShardedSource(name, found, named or numbers, skip=skip)


def _entry(index: Index | None, url: str) -> Entry | None:
    return index.shards.get(url.rpartition("/")[2]) if index else None
