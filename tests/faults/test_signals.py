"""Being asked to stop: the step is finished and saved, and the exit code says which signal it was."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from graphssl.cli.failures import guarded
from graphssl.runtime.errors import RunError, Stopped
from graphssl.runtime.folder import RunFolder
from graphssl.runtime.interrupt import Stop
from tests.runs import at_step

Train = Callable[..., int]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 138)])
def test_a_signal_saves_the_step_and_names_itself(
    number: int, code: int, train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with at_step(2, lambda _: os.kill(os.getpid(), number)):
        assert train("simclr", tmp_path / "run", steps=4) == code
    latest = RunFolder(tmp_path / "run").latest_checkpoint()
    assert latest is not None and latest.name == "step-00000002"
    name = signal.Signals(number).name
    assert f"stopped by {name} after step 2; continue with the same command and --resume" in capsys.readouterr().err
    assert signal.getsignal(number) not in (None, Stop.ask)


def test_ctrl_c_twice_stops_at_once_and_a_terminal_that_repeats_it_does_not() -> None:
    stop = Stop()
    stop.ask(signal.SIGINT)
    stop.ask(signal.SIGINT)
    stop.at -= 2
    stop.ask(signal.SIGTERM)  # schedulers repeat theirs
    with pytest.raises(KeyboardInterrupt):
        stop.ask(signal.SIGINT)


@pytest.mark.parametrize(("error", "code"), [(RunError("no"), 2), (Stopped("no"), 3), (KeyboardInterrupt(), 130)])
def test_exit_codes(error: BaseException, code: int) -> None:
    class Command:
        @staticmethod
        def run(_: object) -> int:
            raise error

    assert guarded(Command) == code  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), MemoryError()])
def test_memory_that_runs_out_is_one_sentence(error: Exception, train: Train, tmp_path: Path) -> None:
    def fail(_: object) -> None:
        raise error

    with at_step(2, fail), pytest.raises(Stopped, match=r"out of memory: use a smaller .*; step 1 is saved"):
        train("simclr", tmp_path / "run", steps=4, checkpoint_every=0.25)
