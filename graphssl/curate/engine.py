"""Where the work of a curation is done: cut into units, each of which writes one file.

A unit's file gets its name when it is whole, and units whose file is there are not done again, so that a kill costs the units in
flight. What a unit writes depends on its arguments alone: any engine with any number of workers leaves the same files.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Protocol, TypeVar

from graphssl.progress import progress
from graphssl.runtime.errors import RunError


class Unit(Protocol):
    """A piece of work that can be pickled."""

    @property
    def file(self) -> Path:
        """What it writes, atomically."""


U = TypeVar("U", bound=Unit)


class Engine(Protocol):
    """Does units of work, in any order."""

    def run(self, work: Callable[[U], None], units: Sequence[U], what: str) -> None:
        """Call `work(unit)`, which writes `unit.file`, for each unit whose file is missing.

        work: can be pickled. what: the name of the progress bar. Raises what `work` raises, and RunError where a process died; files of
        units that were done stay.
        """


def missing(units: Sequence[U]) -> list[U]:
    """Those whose file is not there."""
    return [unit for unit in units if not unit.file.exists()]


@dataclass(frozen=True)
class Block:
    """Rows start, ..., stop - 1, and the file of what is computed of them."""

    file: Path
    start: int
    stop: int


def blocks_of(folder: Path, name: str, rows: int, size: int) -> tuple[Block, ...]:
    """All rows, `size` at a time: borders depend on their number alone."""
    starts = enumerate(range(0, rows, size))
    return tuple(Block(folder / f"{name}-{n:05d}.npz", start, min(start + size, rows)) for n, start in starts)


@dataclass(frozen=True)
class Local:
    """On this machine: in this process, or in `workers` others."""

    workers: int = 1

    def run(self, work: Callable[[U], None], units: Sequence[U], what: str) -> None:
        """See `Engine`."""
        todo = missing(units)
        with progress(what, len(units)) as advance:
            advance(len(units) - len(todo))
            if min(self.workers, len(todo)) > 1:
                _spread(min(self.workers, len(todo)), work, todo, what, advance)
                return
            for unit in todo:
                work(unit)
                advance(1)


def _spread(
    workers: int, work: Callable[[U], None], units: Sequence[U], what: str, advance: Callable[[int], None]
) -> None:
    others = {*active_children()}
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_begin)
    try:
        futures = [pool.submit(work, unit) for unit in units]
        pool.submit(int)  # CPython 3.11 does not watch the process that it starts last until it is called again
        for future in as_completed(futures):
            future.result()
            advance(1)
    except BaseException as error:  # an interrupt, too: what is in flight must not go on, and leaves no file
        for process in {*active_children()} - others:
            process.terminate()
        if isinstance(error, BrokenProcessPool):
            raise RunError(
                f"{what}: a process ended that should not have (killed, or out of memory?); "
                "give the same command again to go on from here, with fewer workers if memory is short"
            ) from None
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """In a worker: an interrupt is for the parent, and nobody outlives a parent that was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
