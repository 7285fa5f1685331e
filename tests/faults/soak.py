"""One run killed with SIGKILL at random moments, resumed each time, and compared with the same run left alone.

    python tests/faults/soak.py FOLDER --kills 50

The run saves, evaluates and logs all the time, so that it is killed while it does these too; one life in ten is killed while it
starts. The final bytes of parameters, optimizer and state, the lines of metrics, the summary and the files must be those of the
whole run.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from graphssl.pipeline import Method
from graphssl.runtime.folder import RunFolder
from tests.faults.lives import FINISHED, begin, checked, end
from tests.runs import difference

STARTING = 0.1
"""Share of the kills that come before the first line of that life."""

LINES = 8
"""Lines of metrics that a life logs at most, with one to three steps between two."""

OPTIONS: dict[str, Any] = {
    "log_every": 2, "measure_every": 7, "eval_every": 1.25, "eval_samples": 32, "checkpoint_every": 0.75, "keep_checkpoints": 1,
}  # fmt: skip


def lived(method: Method, out: Path, chance: random.Random, **options: Any) -> str:
    """One life of the run: what it was doing when it was killed, or `ended`."""
    child = begin(method, out, resume=True, **options)
    if chance.random() < STARTING:
        time.sleep(chance.uniform(0, 1))
    else:
        time.sleep(chance.uniform(0, _wait_for_lines(chance.randint(1, LINES), out / "metrics.jsonl", child)))
    os.kill(child, signal.SIGKILL)
    code = end(child)
    assert code in (0, FINISHED, -signal.SIGKILL), code
    return _place(out) if code == -signal.SIGKILL else "ended"


def _wait_for_lines(count: int, file: Path, child: int) -> float:
    """Until a run has logged so many lines in this life; the seconds that the last one took.

    A resumed run first writes the file anew, without the lines it will log again.
    """
    inode = _stands(file)[0]
    while _alive(child) and _stands(file)[0] == inode:
        time.sleep(0.01)
    begun = time.monotonic()
    for _ in range(count):
        begun, lines = time.monotonic(), _stands(file)[1]
        while _alive(child) and _stands(file)[1] <= lines:
            time.sleep(0.01)
    return time.monotonic() - begun


def _stands(file: Path) -> tuple[int, int]:
    """Inode and lines."""
    try:
        return file.stat().st_ino, file.read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0, 0


def _alive(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def _place(out: Path) -> str:
    """By what it left half done."""
    if any((out / "checkpoints").glob(".*")):
        return "saving"
    if any(out.glob(".*.part")):
        return "writing another file"
    return "stepping or evaluating" if RunFolder(out).latest_checkpoint() else "before the first checkpoint"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--method", default="moco_v2")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    method, options = checked(arguments.method), {**OPTIONS, "steps": arguments.steps}
    whole, parts = arguments.folder / "whole", arguments.folder / "parts"
    arguments.folder.mkdir(parents=True, exist_ok=True)
    assert end(begin(method, whole, **options)) == 0
    chance, places = random.Random(arguments.seed), Counter[str]()
    while places.total() < arguments.kills:
        place = lived(method, parts, chance, **options)
        if place == "ended":
            print("the run ended: give more --steps")
            break
        places[place] += 1
        latest = RunFolder(parts).latest_checkpoint()
        print(f"kill {places.total()}: {place}; newest checkpoint {latest.name if latest else None}", flush=True)
    assert end(begin(method, parts, resume=True, **options)) in (0, FINISHED)
    found = difference(whole, parts)
    lines = len((parts / "metrics.jsonl").read_text().splitlines())
    print(f"{places.total()} kills ({', '.join(f'{n} {place}' for place, n in sorted(places.items()))}), {lines} lines")
    print(f"the ends differ: {found}" if found else "the same bytes, lines, summary and files in the end")
    return int(bool(found) or places.total() < arguments.kills)


if __name__ == "__main__":
    sys.exit(main())
