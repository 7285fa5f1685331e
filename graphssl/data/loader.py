"""Batches of views, made in this process or by workers.

What a batch holds depends on its step alone, never on the number of workers: a worker makes whole batches, and every
batch is made by a single thread (the order of a sum may depend on the number of threads).
"""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from graphssl.data.augment import Augmenter, ViewPlan
from graphssl.data.errors import BadImage, DataError, WorkerDied
from graphssl.data.sampler import EpochSampler
from graphssl.data.samples import Maker, Samples
from graphssl.data.sources import ImageSource

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Batch:
    """One rank's data of one step.

    Attributes:
        views: by source node, a tensor with b rows or a list of those, such as images float32 [b 3 size size].
        labels: int64 [b], -1 where unlabelled.
        indices: int64 [b], the images' numbers in the source; those actually shown.
        bad: (path, reason) of images that could not be decoded and were replaced by the next one that can.
    """

    views: dict[str, Tensor | list[Tensor]]
    labels: Tensor
    indices: Tensor
    bad: tuple[tuple[str, str], ...]


def train_loader(
    source: ImageSource,
    sampler: EpochSampler,
    makers: Mapping[str, Maker],
    *,
    first_step: int,
    last_step: int,
    workers: int,
) -> Iterator[Batch]:
    """The batches of steps first_step, ..., last_step - 1, in order; the same bytes for any number of workers.

    A bad image is replaced by the next in the source that can be decoded. The replacement is augmented with the random
    numbers of the image it stands for, so an image that is in the batch twice is not there with the same views.

    Args:
        makers: by source node, what makes its values.

    Raises:
        DataError: no image of the source can be decoded.
    """
    return _in_order(_TrainSteps(source, sampler, makers), range(first_step, last_step), workers)


def eval_batches(
    source: ImageSource,
    *,
    size: int,
    steps: Sequence[tuple[str, Mapping[str, Any]]],
    batch_size: int,
    workers: int,
    indices: Sequence[int] | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """(images float32 [b 3 size size], labels int64 [b]) over the source, in order; the last batch may be smaller.

    Args:
        size, steps: as in `ViewPlan`; the view is named `eval`.
        indices: only these images, in this order.

    Images that cannot be decoded are left out, each with a warning in the log.
    """
    order = list(range(len(source)) if indices is None else indices)
    parts = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    plan = ViewPlan("eval", size, tuple(steps), "eval")
    made: Iterator[tuple[Tensor, Tensor, list[BadImage]]]
    made = _in_order(_EvalParts(source, parts, Augmenter({"eval": plan}, seed=0)), range(len(parts)), workers)
    for images, labels, bad in made:
        for error in bad:
            log.warning("left out of the evaluation: %s", error)
        if len(labels):
            yield images, labels


class _TrainSteps(Dataset[Any]):
    """Item i is the batch of step i."""

    def __init__(self, source: ImageSource, sampler: EpochSampler, makers: Mapping[str, Maker]) -> None:
        self._source, self._sampler, self._makers = source, sampler, makers

    def __getitem__(self, step: int) -> Batch:
        wanted = self._sampler.batch(step)
        images, shown = [], []
        bad: list[BadImage] = []
        for index in wanted:
            image, index = self._load(index, bad)
            images.append(image)
            shown.append(index)
        sampler = self._sampler
        labels = torch.tensor([self._source.label(index) for index in shown], dtype=torch.int64)
        samples = Samples(
            images,
            np.array(wanted, dtype=np.int64),
            sampler.epoch(step),
            step,
            labels=labels,
            first=sampler.rank * sampler.batch_size_per_rank,
            total=sampler.global_batch_size,
        )
        return Batch(
            views={node: make(samples) for node, make in self._makers.items()},
            labels=labels,
            indices=torch.tensor(shown, dtype=torch.int64),
            bad=tuple((error.path, error.reason) for error in bad),
        )

    def _load(self, index: int, bad: list[BadImage]) -> tuple[Tensor, int]:
        """The image at an index or the next good one after it; bad ones met on the way are added to `bad`."""
        for offset in range(len(self._source)):
            candidate = (index + offset) % len(self._source)
            try:
                return self._source.load(candidate), candidate
            except BadImage as error:
                if error.path not in {other.path for other in bad}:
                    bad.append(error)
        raise DataError(f"none of the {len(self._source)} images of `{self._source.name}` can be decoded: {bad[0]}")


class _EvalParts(Dataset[Any]):
    """Item i is the i-th part of the images to evaluate."""

    def __init__(self, source: ImageSource, parts: list[list[int]], augmenter: Augmenter) -> None:
        self._source, self._parts, self._augmenter = source, parts, augmenter

    def __getitem__(self, part: int) -> tuple[Tensor | list[Tensor], Tensor, list[BadImage]]:
        images, good, bad = [], [], []
        for index in self._parts[part]:
            try:
                images.append(self._source.load(index))
                good.append(index)
            except BadImage as error:
                bad.append(error)
        labels = torch.tensor([self._source.label(index) for index in good], dtype=torch.int64)
        views = self._augmenter(images, good, 0)["eval"] if good else torch.empty(0)
        return views, labels, bad


@dataclass(frozen=True)
class _Refusal:
    """A `DataError` on its way out of a worker, where the exception itself would arrive wrapped in a traceback."""

    message: str


class _Guarded(Dataset[Any]):
    """The same items, a `DataError` as a value."""

    def __init__(self, items: Dataset[Any]) -> None:
        self._items = items

    def __getitem__(self, number: int) -> Any:
        try:
            return self._items[number]
        except DataError as error:
            return _Refusal(str(error))


def _in_order(items: Dataset[Any], numbers: range, workers: int) -> Iterator[Any]:
    for item in _made_here(items, numbers) if workers == 0 else _made_by_workers(items, numbers, workers):
        if isinstance(item, _Refusal):
            raise DataError(item.message)
        yield item


def _made_here(items: Dataset[Any], numbers: range) -> Iterator[Any]:
    for number in numbers:
        with _one_thread():
            item = items[number]
        yield item


def _made_by_workers(items: Dataset[Any], numbers: range, workers: int) -> Iterator[Any]:
    loader = DataLoader(
        _Guarded(items),
        batch_size=None,
        sampler=numbers,
        num_workers=workers,
        collate_fn=_as_it_is,
        worker_init_fn=_start_worker,
        # Forked workers share the cache of decoded images and start at once.
        multiprocessing_context="fork" if sys.platform == "linux" else None,
    )
    with warnings.catch_warnings():
        # Forking beside torch's idle threads is safe here: a worker uses one thread only.
        warnings.filterwarnings("ignore", message=".*multi-threaded, use of fork", category=DeprecationWarning)
        with _without_alarm():
            batches = iter(loader)
    while True:
        try:
            item = next(batches)
        except StopIteration:
            return
        except RuntimeError as error:
            if "exited unexpectedly" not in str(error):
                raise
            raise WorkerDied(_end_of([worker.exitcode for worker in batches._workers])) from None  # type: ignore[attr-defined]
        yield item


@contextlib.contextmanager
def _without_alarm() -> Iterator[None]:
    """Leave out the handler that torch installs, which raises in the middle of whatever runs when a worker dies.

    Without it that is noticed between two steps, when the worker's next item is asked for.
    """
    alarm = getattr(signal, "SIGCHLD", None)
    before = signal.getsignal(alarm) if alarm and threading.current_thread() is threading.main_thread() else None
    yield
    if alarm and before is not None:
        signal.signal(alarm, before)


def _end_of(codes: list[int | None]) -> str:
    """Why a worker ended, from the exit codes of all (None: it lives)."""
    code = next((code for code in codes if code), 0) or 0
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    advice = {
        "SIGKILL": "the system does that when memory runs out: use fewer --workers or a smaller --cache-gb",
        "SIGBUS": "there was no room in shared memory (/dev/shm): make that larger, or use fewer --workers",
    }
    return f"a data worker was ended by {how}; {advice.get(how, 'use --workers 0 to see why')}"


def _as_it_is(item: Any) -> Any:
    return item


def _start_worker(number: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the main process's to handle; it ends its workers
    torch.set_num_threads(1)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
