"""Items of a data set in order, made in this process or by workers: an item is made whole, by a single thread."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from graphssl.data.errors import DataError, WorkerDied


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


def in_order(items: Dataset[Any], numbers: range, workers: int, *, pinned: bool = False) -> Iterator[Any]:
    """The items with these numbers. pinned: those that workers make come in memory that a CUDA device can copy from by itself.

    Raises:
        DataError: that of an item; `WorkerDied`.
    """
    for item in _made_here(items, numbers) if workers == 0 else _made_by_workers(items, numbers, workers, pinned):
        if isinstance(item, _Refusal):
            raise DataError(item.message)
        yield item


def _made_here(items: Dataset[Any], numbers: range) -> Iterator[Any]:
    for number in numbers:
        with one_thread():
            item = items[number]
        yield item


def _made_by_workers(items: Dataset[Any], numbers: range, workers: int, pinned: bool) -> Iterator[Any]:
    loader = DataLoader(
        _Guarded(items),
        batch_size=None,
        sampler=numbers,
        num_workers=workers,
        collate_fn=_as_it_is,
        worker_init_fn=_start_worker,
        pin_memory=pinned,
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
def one_thread() -> Iterator[None]:
    """Within, a tensor operation uses one thread: the order of a sum may depend on their number."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
