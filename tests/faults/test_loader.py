"""Loader processes that die: told between two steps, which are saved first."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graphssl.runtime.errors import Stopped
from tests.runs import at_step, difference

Train = Callable[..., int]


def kill_workers(number: int) -> Callable[[Any], None]:
    def kill(_: Any) -> None:
        for child in multiprocessing.active_children():  # also those of an earlier test that are about to end
            os.kill(child.pid, number)  # type: ignore[arg-type]

    return kill


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (signal.SIGKILL, "ended by SIGKILL; the system does that when memory runs out"),
        (signal.SIGBUS, "no room in shared memory"),
    ],
)
def test_a_worker_that_dies(number: int, message: str, train: Train, tmp_path: Path) -> None:
    options = {"steps": 12, "keep_checkpoints": 1}
    with at_step(3, kill_workers(number)), pytest.raises(Stopped, match=message) as stopped:
        train("simclr", tmp_path / "parts", workers=2, **options)
    assert "is saved: continue with the same command and --resume" in str(stopped.value)
    if number == signal.SIGKILL:
        train("simclr", tmp_path / "whole", **options)
        assert train("simclr", tmp_path / "parts", workers=2, resume=True, **options) == 0
        assert difference(tmp_path / "whole", tmp_path / "parts") is None
