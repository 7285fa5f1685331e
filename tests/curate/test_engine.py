"""Units of work: the same files however they are done, and a kill loses only those in flight."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from graphssl.curate.engine import Local, missing
from graphssl.data.errors import DataError
from graphssl.runtime.errors import RunError
from graphssl.runtime.folder import write_atomically
from tests.curate.units import Square, contents, squares


def square(unit: Square) -> None:
    write_atomically(unit.file, f"{unit.number**2}")


def stumble(unit: Square) -> None:
    """What can go wrong, by number."""
    if unit.number == 1:
        raise DataError("the disk of images is gone")
    if unit.number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def linger(unit: Square) -> None:
    (unit.file.parent / f"pid-{os.getpid()}").touch()
    time.sleep(60)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_unit_is_done_once(tmp_path: Path, workers: int) -> None:
    units = squares(tmp_path, range(5))
    units[3].file.write_text("done before")
    assert [unit.number for unit in missing(units)] == [0, 1, 2, 4]
    Local(workers).run(square, units, "squaring")
    assert [unit.file.read_text() for unit in units] == ["0", "1", "4", "done before", "16"]
    assert len(contents(tmp_path)) == 5


def test_a_mistake_in_a_worker_is_told_as_itself_and_ends_the_others(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(DataError, match=r"^the disk of images is gone$"):
        Local(2).run(stumble, squares(tmp_path, [0, 1]), "squaring")
    assert time.monotonic() - began < 50  # the other would sleep for 60 s


def test_a_worker_that_dies_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"^squaring: a process ended that should not have .* fewer workers"):
        Local(2).run(stumble, squares(tmp_path, [0, 2]), "squaring")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_their_parent(tmp_path: Path, how: signal.Signals) -> None:
    code = (
        "from pathlib import Path\nfrom graphssl.curate.engine import Local\n"
        "from tests.curate.units import squares\nfrom tests.curate.test_engine import linger\n"
        f"Local(2).run(linger, squares(Path({str(tmp_path)!r}), [0, 1]), 'waiting')"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    while len(workers := [int(file.name[4:]) for file in tmp_path.glob("pid-*")]) < 2:
        assert parent.poll() is None
        time.sleep(0.05)
    parent.send_signal(how)
    assert parent.wait(30) != 0
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)
