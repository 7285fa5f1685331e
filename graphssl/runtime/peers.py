"""The other processes of a run: when one fails or is gone, the rest say so and end, instead of waiting for it forever.

Each process tells a sign of life to the store through which they found each other, and watches its neighbour's. The first
that fails leaves its message there.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import torch.distributed as dist

from graphssl.data.errors import DataError
from graphssl.runtime.errors import RunError, Stopped

BEAT_S = 1.0
SILENT_S = 30.0
"""Seconds without a sign of life after which a process counts as gone."""

GRACE_S = 5.0
"""Seconds that a process gets to end by itself when another has failed."""

TRAININGS = itertools.count()
"""Those of this process, which share a store; all processes count the same."""

FAILED = "failed"
BROKEN = "the connection to another process broke: it was killed (out of memory?), or its machine is gone"
SILENCE = f"no sign of life for {SILENT_S:.0f} s: it was killed (out of memory?), or its machine is gone"


class Peers:
    """Within `with`, this process watches the others and is watched; alone, it does nothing."""

    def __init__(self, rank: int, ranks: int):
        self.rank, self.ranks = rank, ranks
        self.over = threading.Event()
        self.failed = threading.Event()  # somebody else
        self.why = ""
        self.watcher: threading.Thread | None = None

    def __enter__(self) -> Peers:
        if self.ranks > 1:
            c10d: Any = dist.distributed_c10d
            own = c10d._get_default_store().clone()  # a connection of our own
            self.store: Any = c10d.PrefixStore(f"graphssl/{next(TRAININGS)}", own)
            self.watcher = threading.Thread(target=self._watch, name="peers", daemon=True)
            self.watcher.start()
        return self

    def __exit__(self, _: Any, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.watcher is None:
            return
        try:
            if isinstance(error, Exception):
                self._ended_by(error)
            elif isinstance(error, KeyboardInterrupt):
                self._quietly(lambda: self._tell("interrupted"))
        finally:
            self._quietly(lambda: self.store.set(self._beat(self.rank), "done"))
            self.over.set()
            self.watcher.join(timeout=2 * BEAT_S)

    def _ended_by(self, error: Exception) -> None:
        """Leave our message for the others; when it was one of theirs that ended us, tell that instead."""
        if _lost_contact(error):
            self.failed.wait(GRACE_S)
            raise Stopped(self.why or BROKEN) from None
        message = str(error).partition("\n")[0]
        self._quietly(lambda: self._tell(message))
        if self.why.endswith(f" failed: {message}"):
            raise SystemExit(getattr(error, "code", 1))  # the same mistake everywhere is told once
        if isinstance(error, (RunError, DataError)):
            _tell_launcher(message)

    def _tell(self, message: str, rank: int | None = None) -> None:
        """Leave a message, unless there is one already; learn which one stands."""
        mine = json.dumps([self.rank if rank is None else rank, message])
        first = json.loads(self.store.compare_set(FAILED, "", mine).decode())
        if first != json.loads(mine):
            self.why = f"process {first[0]} of {self.ranks} failed: {first[1]}"
            self.failed.set()

    def _watch(self) -> None:
        """Tell signs of life and look for those of the next process, until over. Ends this process when another failed."""
        beats, last, heard = 0, b"", time.monotonic()
        neighbour = (self.rank + 1) % self.ranks
        while not self.over.wait(BEAT_S):
            silent = time.monotonic() - heard > SILENT_S
            try:
                self.store.set(self._beat(self.rank), str(beats := beats + 1))
                now = self.store.get(self._beat(neighbour)) if self.store.check([self._beat(neighbour)]) else b""
                if now != last or now == b"done":
                    last, heard = now, time.monotonic()
                elif silent:
                    self._tell(SILENCE, neighbour)
                if self.store.check([FAILED]):
                    rank, message = json.loads(self.store.get(FAILED).decode())
                    self._end(f"process {rank} of {self.ranks} failed: {message}")
                    break
            except RuntimeError:  # the store is where the first process, or the launcher, is
                if silent:
                    self._end("the launcher or the first process is gone")
                    break

    def _end(self, why: str) -> None:
        """Let the main thread come to its end; it may wait for the lost one, where nothing else than this can end it."""
        self.why = why
        self.failed.set()
        if not self.over.wait(GRACE_S):
            print(f"graphssl: error: process {self.rank}: {why}", file=sys.stderr, flush=True)
            os._exit(Stopped.code)

    @staticmethod
    def _beat(rank: int) -> str:
        return f"beat/{rank}"

    @staticmethod
    def _quietly(act: Callable[[], Any]) -> None:
        """Without a store to tell it to, nobody is told."""
        with suppress(RuntimeError):
            act()


def _lost_contact(error: Exception) -> bool:
    """Whether a collective failed for want of another process."""
    words = ("Connection closed by peer", "Connection reset", "gloo", "NCCL", "Socket", "Timed out waiting")
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and any(word in str(error) for word in words)
    )


def _tell_launcher(message: str) -> None:
    """torchrun ends with a report of the first failure: let it say our message, not that there is none."""
    if file := os.environ.get("TORCHELASTIC_ERROR_FILE"):
        told = {"message": message, "extraInfo": {"timestamp": str(int(time.time()))}}
        with suppress(OSError):
            Path(file).write_text(json.dumps({"message": told}))
