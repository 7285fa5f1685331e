"""Shards are fetched while those before them are used."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from torch.utils.data import get_worker_info

from graphssl.data.sampler import EpochSampler
from graphssl.data.shard_sampler import ShardSampler
from graphssl.data.sources import ImageSource


class Ahead:
    """At the first step that this process makes in a window of shards, it begins to fetch those of the next; workers share that."""

    def __init__(self, source: ImageSource, sampler: EpochSampler) -> None:
        self._fetch: Callable[[int], None] | None = getattr(source, "prefetch", None)
        self._sampler = sampler
        self._done: tuple[int, int] | None = None

    def at(self, step: int) -> None:
        if self._fetch is None or not isinstance(self._sampler, ShardSampler):
            return
        if (window := self._sampler.window_of(step)) != self._done:
            self._done = window
            worker = get_worker_info()
            mine = slice(worker.id, None, worker.num_workers) if worker else slice(None)
            images = self._sampler.ahead(step)[mine]
            threading.Thread(target=_all, args=(self._fetch, images), daemon=True).start()


def _all(fetch: Callable[[int], None], images: Sequence[int]) -> None:
    for image in images:
        fetch(image)
