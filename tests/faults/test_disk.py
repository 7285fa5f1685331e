"""Disks that are full or read-only, and folders that vanish: one sentence, and the last good checkpoint is there."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graphssl.runtime.errors import RunError, Stopped
from graphssl.runtime.folder import RunFolder
from tests.runs import at_step, difference

Train = Callable[..., int]
OFTEN: dict[str, Any] = {"steps": 6, "checkpoint_every": 0.25, "keep_checkpoints": 1}  # an epoch is 4 steps


def test_a_disk_too_small_for_a_checkpoint(train: Train, disk: Callable[[str], Path]) -> None:
    out = disk("2m") / "run"
    with pytest.raises(Stopped) as stopped:
        train("simclr", out, **{**OFTEN, "keep_checkpoints": 0, "steps": 20})
    saved = sorted(path.name for path in (out / "checkpoints").iterdir())
    assert saved and all(name.startswith("step-") for name in saved)
    step = len(saved)
    assert f"cannot write the checkpoint of step {step + 1} in" in str(stopped.value)
    assert f"no space left on device; step {step} is saved: continue with the same command" in str(stopped.value)


def test_a_disk_that_fills_up_while_logging(train: Train, tmp_path: Path) -> None:
    out, metrics = tmp_path / "run", tmp_path / "run" / "metrics.jsonl"

    def full(_: Any) -> None:
        metrics.rename(tmp_path / "lines")
        metrics.symlink_to("/dev/full")

    train("simclr", tmp_path / "whole", **OFTEN)
    message = "cannot write `.*metrics.jsonl`: no space left on device; step 2 is saved: continue with .* --resume"
    with at_step(3, full), pytest.raises(Stopped, match=message):
        train("simclr", out, **OFTEN)
    (tmp_path / "lines").replace(metrics)
    assert train("simclr", out, resume=True, **OFTEN) == 0
    assert difference(tmp_path / "whole", out) is None


@pytest.mark.parametrize("number", [1, 3])
def test_a_disk_that_becomes_read_only(number: int, train: Train, disk: Callable[[str], Path]) -> None:
    place = disk("4m")

    def read_only(_: Any) -> None:
        subprocess.run(["mount", "--bind", str(place), str(place)], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", str(place)], check=True)

    kept = "there is no checkpoint yet" if number == 1 else "step 2 is saved"
    with at_step(number, read_only), pytest.raises(Stopped) as stopped:
        train("simclr", place / "run", **OFTEN)
    assert "read-only file system" in str(stopped.value) and kept in str(stopped.value)
    with pytest.raises(RunError, match=r"cannot write `.*new`: read-only file system"):
        train("simclr", place / "new", **OFTEN)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(train: Train, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(RunError, match="permission denied"):
        train("simclr", tmp_path / "run", **OFTEN)


@pytest.mark.parametrize("log_every", [1, 100])
def test_a_folder_that_is_moved_while_training(log_every: int, train: Train, tmp_path: Path) -> None:
    out, away = tmp_path / "run", tmp_path / "away"
    with at_step(3, lambda _: out.rename(away)), pytest.raises(Stopped, match="run` is gone: it was moved or deleted"):
        train("simclr", out, log_every=log_every, **OFTEN)
    assert not out.exists()
    saved = RunFolder(away).latest_checkpoint()
    assert saved is not None and saved.name == "step-00000002"
    assert train("simclr", away, log_every=log_every, resume=True, **OFTEN) == 0
