"""A run killed before each of its file operations in turn, and half through each file, resumed, and compared with the whole run.

    python tests/faults/every_write.py FOLDER [--every N] [--method NAME]

Prints how many moments there were and exits with 1 at the first after which the resumed run ends otherwise.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from graphssl.runtime import checkpoint
from graphssl.runtime.folder import RunFolder
from tests.faults.lives import FINISHED, begin, checked, end
from tests.runs import difference

NAMES = {"open", "os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.truncate"}
STEPS = 6
OPTIONS: dict[str, Any] = {
    "steps": STEPS, "log_every": 2, "measure_every": 4, "eval_every": 1, "eval_samples": 16,
    "checkpoint_every": 0.5, "keep_checkpoints": 1,
}  # fmt: skip


class Moments:
    """Counts this process's operations on files in `folder`, and kills it before number `last`."""

    def __init__(self, folder: Path, last: int, told: int):
        self.folder, self.last, self.told, self.count = str(folder), last, told, 0
        sys.addaudithook(self.hear)
        self.half(checkpoint, "save_file", lambda tensors, path, *_: Path(path))
        self.half(RunFolder, "log", lambda run, record: run.metrics_file)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in NAMES or not isinstance(arguments[0], (str, bytes, os.PathLike)):
            return
        path, reads = os.fsdecode(arguments[0]), event == "open" and not _writes(*arguments[1:])
        if not reads and (path.startswith(f"{self.folder}/") or not path.startswith("/")):
            self.tick()

    def tick(self, before: Callable[[], Any] = lambda: None) -> None:
        self.count += 1
        os.pwrite(self.told, f"{self.count:08}".encode(), 0)
        if self.count == self.last:
            before()
            os.kill(os.getpid(), signal.SIGKILL)

    def half(self, owner: Any, name: str, file_of: Callable[..., Path]) -> None:
        """After what `owner.name` writes to a file, a moment at which only half of that was written."""
        whole = getattr(owner, name)

        def watched(*arguments: Any) -> None:
            file = file_of(*arguments)
            before = file.stat().st_size if file.exists() else 0
            whole(*arguments)
            self.tick(lambda: os.truncate(file, (before + file.stat().st_size) // 2))

        setattr(owner, name, watched)


def _writes(mode: str | None, flags: int) -> bool:
    return bool(set(mode) & set("wax+")) if mode else bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--method", default="simclr")
    arguments = parser.parse_args()
    method, whole, parts = checked(arguments.method), arguments.folder / "whole", arguments.folder / "parts"
    with (arguments.folder / "moments").open("wb+") as told:
        assert end(begin(method, whole, lambda: Moments(whole, 0, told.fileno()), **OPTIONS)) == 0
        moments = int(os.pread(told.fileno(), 8, 0))
        for last in range(1, moments + 1, arguments.every):
            shutil.rmtree(parts, ignore_errors=True)
            killed = begin(method, parts, lambda last=last: Moments(parts, last, told.fileno()), **OPTIONS)  # type: ignore[misc]
            assert end(killed) == -signal.SIGKILL, last
            finished = RunFolder(parts).summary().get("steps") == STEPS
            assert end(begin(method, parts, resume=True, **OPTIONS)) == (FINISHED if finished else 0), last
            if found := difference(whole, parts):
                print(f"killed at moment {last} of {moments}: {found}")
                return 1
    print(f"{len(range(1, moments + 1, arguments.every))} of {moments} moments, all the same in the end")
    return 0


if __name__ == "__main__":
    sys.exit(main())
