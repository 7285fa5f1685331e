"""One training step of graphssl against the same written by hand and with lightly: time, ratio and peak memory.

    python -m benchmarks.step [--methods simclr moco_v2 byol dino] [--batch 128] [--rounds 9] [--steps 5] [--clock wall|cpu]

All have the same encoder, batch, precision (fp32) and optimizer, and none an online classifier. graphssl's side is `graphssl train`
itself, given batches that were made before; BatchNorm sees the whole batch. Each contender has a process of its own; they take
turns of a few steps, and the others are stopped meanwhile. Milliseconds are the median over rounds of a round's median; a ratio
is the median over rounds of that round's ratio, so that a machine that is slower for a while is so for all. Memory is measured
in other processes, in which glibc gives freed tensors back to the system (MALLOC_MMAP_THRESHOLD_): the most that a process took
in three steps less what it took before, with model and batches in memory.
"""

from __future__ import annotations

import argparse
import statistics
from itertools import cycle

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.turns import CLOCKS, MIB, contenders, on_request

CONTENDERS = ("graphssl", "hand-written", "lightly")
METHODS = ("simclr", "moco_v2", "byol", "dino")
WARM = 3


def train(contender: str, method: str, batch: int) -> None:
    """The training of one contender, as its process runs it."""
    from benchmarks.contenders import SUBJECTS, batches, train_by

    overrides = {"train.batch_size": batch}
    made = batches(SUBJECTS[method].load(**overrides), 4)
    train_by(contender, method, on_request(cycle(made)), **overrides)


def measure(method: str, batch: int, rounds: int, steps: int, clock: str) -> dict[str, list[float]]:
    """Milliseconds of each contender by round."""
    found: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    with contenders(*(words(name, method, batch) for name in CONTENDERS)) as started:
        for process in started:
            process.steps(WARM)
        for _ in range(rounds):
            for name, process in zip(CONTENDERS, started, strict=True):
                found[name].append(statistics.median(process.steps(steps)[clock]) * 1000)
    return found


def memory(contender: str, method: str, batch: int) -> float:
    """MiB that its steps take."""
    with contenders(words(contender, method, batch), environment={"MALLOC_MMAP_THRESHOLD_": str(MIB)}) as (process,):
        mib: float = process.steps(WARM)["mib"]
    return mib


def words(contender: str, method: str, batch: int) -> tuple[str, ...]:
    return ("-m", "benchmarks.step", "--batch", str(batch), "--one", contender, method)


def ratio(ours: list[float], theirs: list[float]) -> str:
    return f"{statistics.median(a / b for a, b in zip(ours, theirs, strict=True)):.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu: seconds of computing, on a machine that is shared"
    )
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        train(*arguments.one, arguments.batch)
        return
    table = Table("method", *(f"{name}, ms" for name in CONTENDERS), "/ hand-written", "/ lightly",
                  *(f"{name}, MiB" for name in CONTENDERS), title=f"one training step, batch {arguments.batch}, fp32, {arguments.clock} time")  # fmt: skip
    for method in track(arguments.methods, transient=True):
        times = measure(method, arguments.batch, arguments.rounds, arguments.steps, arguments.clock)
        ours, by_hand, lightly = times.values()
        mib = [memory(name, method, arguments.batch) for name in CONTENDERS]
        table.add_row(
            method, *(f"{statistics.median(found):.1f}" for found in times.values()), ratio(ours, by_hand),
            ratio(ours, lightly), *(f"{each:.0f}" for each in mib),
        )  # fmt: skip
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
