"""A run goes on only as the run it was; what a killed start leaves is nothing; whoever else uses the folder is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graphssl.runtime.errors import RunError
from graphssl.runtime.folder import RunFolder
from graphssl.runtime.lock import Held, Lock
from tests.runs import at_step, difference

Train = Callable[..., int]


def test_a_signal_between_two_lines_leaves_no_trace(train: Train, tmp_path: Path) -> None:
    options: dict[str, Any] = {"steps": 6, "log_every": 2, "measure_every": 4, "eval_every": 1, "keep_checkpoints": 1}
    train("moco_v2", tmp_path / "whole", **options)
    with at_step(3, lambda _: os.kill(os.getpid(), signal.SIGTERM)):
        assert train("moco_v2", tmp_path / "parts", **options) == 143
    assert train("moco_v2", tmp_path / "parts", resume=True, **options) == 0
    assert difference(tmp_path / "whole", tmp_path / "parts") is None


@pytest.mark.parametrize("optimizer", ["lamb", "adan"])
def test_what_an_optimizer_counts_by_group_is_resumed(optimizer: str, train: Train, tmp_path: Path) -> None:
    change = {"train.optimizer": {"name": optimizer}}
    train("vicreg", tmp_path / "whole", change, steps=4, keep_checkpoints=1)
    with at_step(2, lambda _: os.kill(os.getpid(), signal.SIGINT)):
        assert train("vicreg", tmp_path / "parts", change, steps=4, keep_checkpoints=1) == 130
    train("vicreg", tmp_path / "parts", change, steps=4, keep_checkpoints=1, resume=True)
    assert difference(tmp_path / "whole", tmp_path / "parts") is None


def test_a_changed_run_is_refused_with_its_diff(train: Train, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train("simclr", out, steps=2)
    before = (out / "method.yaml").read_text()
    change = {"nodes.loss.temperature": 0.9, "train.seed": 7}
    with pytest.raises(RunError) as refused:
        train("simclr", out, change, steps=4, data="shapes:32,128", resume=True)
    lines = [" ".join(line.split()) for line in str(refused.value).splitlines()]
    assert "--allow-changed" in lines[0]
    assert {"~ loss temperature 0.2 → 0.9", "~ seed 0 → 7"} <= set(lines)
    assert {"~ steps in all 2 → 4", "~ images of --data 64 → 128"} <= set(lines)
    assert (out / "method.yaml").read_text() == before

    assert train("simclr", out, change, steps=4, resume=True, allow_changed=True) == 0
    assert "temperature: 0.9" in (out / "method.yaml").read_text()
    assert (out / "method-until-2.yaml").read_text() == before
    assert [record["step"] for record in RunFolder(out).metrics()] == [1, 2, 3, 4]


def test_words_alone_are_no_change(train: Train, tmp_path: Path) -> None:
    with at_step(1, lambda _: os.kill(os.getpid(), signal.SIGINT)):
        train("simclr", tmp_path / "run", steps=2)
    assert train("simclr", tmp_path / "run", {"title": "Another title"}, steps=2, resume=True) == 0


def test_a_start_that_was_killed_at_once_leaves_nothing_to_resume(train: Train, tmp_path: Path) -> None:
    out = tmp_path / "run"
    (out / "checkpoints").mkdir(parents=True)
    (out / ".lock").write_text("process 1 on some machine")
    (out / ".method.yaml.part").write_text("graphssl: 1\nna")
    assert train("simclr", out, steps=1) == 0
    assert {path.name for path in out.iterdir()} == {"method.yaml", "metrics.jsonl", "summary.json", "checkpoints"}


def test_a_refused_start_leaves_no_folder(train: Train, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be split"):
        train("simclr", tmp_path / "run", {"train.accumulate": 3}, steps=1)
    assert not (tmp_path / "run").exists()


HOLD = "import sys, time; from pathlib import Path; from graphssl.runtime.lock import Lock; "
HOLD += "Lock(Path(sys.argv[1])).acquire(); import os; os.fork() or time.sleep(60); print('held', flush=True); time.sleep(60)"


@pytest.fixture
def holder(tmp_path: Path) -> Any:
    """A process, with a forked worker, that holds the lock of the run folder `run`."""
    (tmp_path / "run").mkdir()
    words = [sys.executable, "-c", HOLD, str(tmp_path / "run" / ".lock")]
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, start_new_session=True, env={**os.environ, "PYTHONPATH": root}
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        yield process
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("resume", [False, True])
def test_a_second_run_in_a_folder_is_refused(resume: bool, train: Train, tmp_path: Path, holder: Any) -> None:
    with pytest.raises(
        RunError, match=rf"is in use by process {holder.pid} on .* \(since .*\): wait until that run ends"
    ):
        train("simclr", tmp_path / "run", steps=1, resume=resume)
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]


def test_a_killed_run_holds_its_folder_no_longer_though_its_workers_live(tmp_path: Path, holder: Any) -> None:
    lock = Lock(tmp_path / "run" / ".lock")
    with pytest.raises(Held):
        lock.acquire()
    holder.kill()
    holder.wait()
    os.killpg(holder.pid, 0)  # its worker is there
    lock.acquire()
    lock.release()
    assert not lock.path.exists()
