"""Being asked to stop: Ctrl-C and SIGTERM."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass
class Stop:
    """Whether somebody asked."""

    wanted: bool = False


@contextmanager
def stopping() -> Iterator[Stop]:
    """Ctrl-C and SIGTERM ask the loop to stop after its step; a second Ctrl-C stops at once."""
    stop = Stop()
    before = {}

    def ask(number: int, _: Any) -> None:
        if stop.wanted:
            raise KeyboardInterrupt
        stop.wanted = True

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
