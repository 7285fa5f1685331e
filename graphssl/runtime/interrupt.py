"""Being asked to stop: by Ctrl-C, by SIGTERM, or by a scheduler that wants the machine back."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name))

AGAIN_S = 1.0
"""A second Ctrl-C within this is the same one: a terminal and a launcher both pass it on."""


@dataclass
class Stop:
    """Which signal asked first; 0: none did."""

    signal: int = 0
    at: float = 0.0

    def ask(self, number: int, _: Any = None) -> None:
        """Note the first; a second Ctrl-C means at once."""
        now = time.monotonic()
        if not self.signal:
            self.signal, self.at = number, now
        elif number == signal.SIGINT and now - self.at > AGAIN_S:
            raise KeyboardInterrupt


def exit_code(number: int) -> int:
    """What a run that a signal stopped exits with, as shells say it: 130 after Ctrl-C, 143 after SIGTERM."""
    return 128 + number


@contextmanager
def stopping() -> Iterator[Stop]:
    """Within `with`, signals ask the loop to stop after its step; a second Ctrl-C stops at once."""
    stop = Stop()
    before = {number: signal.signal(number, stop.ask) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
