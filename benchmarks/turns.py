"""Contenders that take turns: each in a process of its own, which does so many steps when it is told to and is stopped between."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import psutil

Item = TypeVar("Item")
MIB = 1 << 20
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
"""`cpu` counts what the process's own threads computed, which other programs on the machine disturb less."""


def on_request(items: Iterator[Item]) -> Iterator[Item]:
    """The items of a training, handed out as the other side asks: it writes a number, and reads what so many steps took.

    A step is what happens between two items: that of the consumer, and of making the item. It takes seconds by each clock;
    `cores` are the seconds that all steps took of all cores, workers counted. `mib` is what the process took of memory at
    most, less what it took when the first item was asked for.
    """
    before = psutil.Process().memory_info().rss
    spent = core_seconds()
    for line in sys.stdin:
        times: dict[str, list[float]] = {name: [] for name in CLOCKS}
        begun = {name: clock() for name, clock in CLOCKS.items()}
        for _ in range(int(line)):
            yield next(items)
            for name, clock in CLOCKS.items():
                now = clock()
                times[name].append(now - begun[name])
                begun[name] = now
        now_spent = core_seconds()
        cores, spent = now_spent - spent, now_spent
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({**times, "cores": cores, "mib": (most - before) / MIB}), flush=True)
    raise SystemExit


def core_seconds() -> float:
    """What this process and its workers have computed so far."""
    own = psutil.Process()
    times = [each.cpu_times() for each in (own, *own.children(recursive=True))]
    return sum(each.user + each.system for each in times)


class Contender:
    """The other side: a Python process whose training takes its items from `on_request`."""

    def __init__(self, *words: str, environment: Mapping[str, str] | None = None):
        self.process = subprocess.Popen(
            [sys.executable, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **(environment or {})}, start_new_session=True,
        )  # fmt: skip

    def steps(self, count: int) -> dict[str, Any]:
        """Let it run for so many steps, with its workers, and stop it again: what `on_request` says of them."""
        assert self.process.stdin is not None and self.process.stdout is not None
        os.killpg(self.process.pid, signal.SIGCONT)
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            assert self.process.stderr is not None
            raise SystemExit(f"a contender has failed:\n{self.process.stderr.read()}")
        os.killpg(self.process.pid, signal.SIGSTOP)
        found: dict[str, Any] = json.loads(line)
        return found

    def end(self) -> None:
        """End the process and its workers."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def contenders(*all_words: tuple[str, ...], environment: Mapping[str, str] | None = None) -> Iterator[list[Contender]]:
    """A process for each, ended behind the block, also when this process is told to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    started = [Contender(*words, environment=environment) for words in all_words]
    try:
        yield started
    finally:
        for contender in started:
            contender.end()
