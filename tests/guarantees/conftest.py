"""The frame of docs/guarantees.md: one file here per column, one row per case of `cases.py`.

A test of a column takes a `case` (parametrised by `methods`), trains it in two ways through `trained`, and gives the result to
`guarantee`, which checks it and records the cell:

    AGAIN = Way("two_ranks", ranks=2)

    @methods("simclr@quick", "dino")                    # these in the fast suite, all others when slow tests run
    def test_two_ranks_equal_one(case, trained, guarantee):
        guarantee("2 ranks", trained(case, ONE), trained(case, AGAIN))

A way is trained once for all cases of a session that are asked for by the same test, in one group of processes: start-up is
what costs here. Where equality is not to be had, `guarantee(column, a, b, because="one sentence")` records the sentence, and
fails when the two are equal after all.

`GRAPHSSL_GUARANTEES=write` (or `make guarantees`) writes the cells of the session into docs/guarantees.md and leaves the others. A new
column is one more name in `table.COLUMNS` and one more file here.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

import graphssl
from graphssl.ir.signature import Module
from tests.guarantees import runs, table
from tests.guarantees.cases import CASES, Case

ROOT = Path(__file__).parents[2]
AT_MOST = 1e-9
NOTHING = 1e-9
"""A tensor whose numbers are all below this share of the largest of its kind is zero up to rounding, and has no relative error: a bias
in front of a BatchNorm has no gradient, and Adam moves it by the rounding of that. It is compared with the largest of its kind."""

CELLS: dict[tuple[str, str], float | str] = {}
"""What the session found: by method and column the largest relative difference, or why there is one."""


@dataclass(frozen=True)
class Way:
    """How cases are trained.

    after: go on from the checkpoint of this step of another way. grouped: BatchNorm over so many rows. environment: what a launcher
    sets for several ranks.
    """

    name: str
    ranks: int = 1
    overrides: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    after: tuple[Way, int] | None = None
    grouped: int | None = None
    environment: dict[str, str] = field(default_factory=dict)


ONE = Way("one")
"""One process, the whole batch, checkpoints in the middle and at the end: what all others are compared with."""

Result = dict[str, dict[str, torch.Tensor]]


def methods(*fast: str) -> Any:
    """One test for each case; those that are not named here are slow."""
    assert set(fast) <= set(CASES), set(fast) - set(CASES)
    cases = [pytest.param(c, id=c.name, marks=() if c.name in fast else pytest.mark.slow) for c in CASES.values()]
    return pytest.mark.parametrize("case", cases)


class Trainings:
    """Runs of the session, each made when first asked for."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.wanted: list[Case] = []

    def out(self, case: Case, way: Way) -> Path:
        return self.folder / way.name / case.name.replace("@", "-")

    def train(self, cases: list[Case], way: Way) -> None:
        """Train those cases that this way has not been asked for yet, all in one group of processes."""
        before = [CASES[name] for name in {name for case in cases for name in case.runs.values()}]
        if before:
            self.train(before, ONE)
        cases = [case for case in CASES.values() if case in cases and not self.out(case, way).exists()]
        if not cases:
            return
        if way.after:
            self.train(cases, way.after[0])
            for case in cases:
                self.copy(case, way)
        jobs = [self.job(case, way) for case in cases]
        if way.ranks == 1:
            for job in jobs:
                runs.run(job)
        else:
            self.launch(jobs, way)

    def job(self, case: Case, way: Way) -> runs.Job:
        before = {key: str(self.out(CASES[name], ONE)) for key, name in case.runs.items()}
        overrides = {**case.overrides, **before, **way.overrides}
        if way.grouped:
            graph = graphssl.load(case.name, overrides).checked_graph()
            modules = [node.name for node in graph if issubclass(node.op, Module) and "/" not in node.name]
            overrides |= {f"nodes.{name}.bn_group": way.grouped for name in modules}
        options = {**way.options, **({"resume": True} if way.after else {})}
        return runs.Job(case.name, overrides, str(self.out(case, way)), options)

    def copy(self, case: Case, way: Way) -> None:
        """The run to go on from, as it was after that step."""
        assert way.after
        source, step = way.after
        shutil.copytree(self.out(case, source), self.out(case, way))
        for checkpoint in (self.out(case, way) / "checkpoints").iterdir():
            if checkpoint.name != f"step-{step:08d}":
                shutil.rmtree(checkpoint)

    def launch(self, jobs: list[runs.Job], way: Way) -> None:
        file = self.folder / f"{way.name}.json"
        file.write_text(json.dumps([asdict(job) for job in jobs]))
        words = ["-m", "torch.distributed.run", "--nproc_per_node", str(way.ranks), "--master_port", str(free_port())]
        environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        environment |= way.environment
        done = subprocess.run(
            [sys.executable, *words, "-m", "tests.guarantees.runs", str(file)],
            capture_output=True, text=True, env=environment, cwd=ROOT, timeout=120 + 60 * len(jobs), check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="session")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> Trainings:
    return Trainings(tmp_path_factory.mktemp("guarantees"))


@pytest.fixture
def trained(trainings: Trainings, request: pytest.FixtureRequest) -> Callable[[Case, Way], Path]:
    """The run folder of a case trained in a way; what the same test is asked of other cases is trained with it."""
    of_test = [i for i in request.session.items if getattr(i, "originalname", "") == request.node.originalname]
    together = [item.callspec.params["case"] for item in of_test]  # type: ignore[attr-defined]

    def get(case: Case, way: Way) -> Path:
        trainings.train(together, way)
        return trainings.out(case, way)

    return get


def difference(a: Result, b: Result) -> tuple[float, str]:
    """The largest |a - b| of all numbers of two runs, each relative to the largest number of its tensor, and where."""
    worst = (0.0, "")
    for kind in a:
        assert a[kind].keys() == b[kind].keys(), kind
        numbers = {
            name: (tensor.double(), b[kind][name].double()) for name, tensor in a[kind].items() if tensor.numel()
        }
        most = {name: float(x.abs().max()) for name, (x, _) in numbers.items()}
        largest = max(most.values(), default=0.0)
        for name, (x, y) in numbers.items():
            off = float((x - y).abs().max())
            assert off == off, f"{kind}: {name} is not finite"
            scale = most[name] if most[name] > NOTHING * largest else largest
            worst = max(worst, (off / scale if off else 0.0, f"{kind}: {name}"))
    return worst


@pytest.fixture
def guarantee(case: Case) -> Iterator[Callable[..., None]]:
    """`guarantee(column, run, other, at_most=…, because=…)` compares two runs, after some steps, and records the cell."""

    def record(
        column: str, run: Path, other: Path, *, at_most: float = AT_MOST, because: str | None = None, after: int = 0
    ) -> None:
        assert column in table.COLUMNS
        apart, place = difference(runs.result(run, after), runs.result(other, after))
        if because is None:
            assert apart <= at_most, f"{apart:.2e} apart at {place}"
        else:
            assert apart > at_most, f"equal ({apart:.2e}) although: {because}"
        before = CELLS.get((case.name, column), 0.0)
        CELLS[case.name, column] = because or (max(apart, before) if isinstance(before, float) else before)

    return record


def pytest_sessionfinish() -> None:
    if os.environ.get("GRAPHSSL_GUARANTEES") == "write" and CELLS:
        table.update({k: v if isinstance(v, str) else table.number(v) for k, v in CELLS.items()})
