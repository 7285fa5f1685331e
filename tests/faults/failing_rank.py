"""`graphssl …` whose process of rank 1 fails at step 3: `python failing_rank.py (raises|killed|stopped|none) WORDS…`."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from graphssl.cli import main
from graphssl.runtime.errors import RunError
from graphssl.runtime.loop import Loop

kind, *words = sys.argv[1:]
whole = Loop.step


def step(loop: Loop, number: int, *arguments: Any) -> Any:
    if number == 3 and loop.accelerator.process_index == 1:
        if kind == "raises":
            raise RunError("the disk of this machine is full")
        if kind in ("killed", "stopped"):
            os.kill(os.getpid(), signal.SIGKILL if kind == "killed" else signal.SIGSTOP)
    return whole(loop, number, *arguments)


Loop.step = step  # type: ignore[method-assign]
sys.exit(main(words))
