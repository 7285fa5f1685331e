"""Columns `resume` and `resume on other ranks`: a run that is broken off and goes on ends as the one that was not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graphssl.runtime.folder import RunFolder
from tests.guarantees.cases import MIDDLE, STEPS, Case
from tests.guarantees.conftest import ONE, Way, methods
from tests.guarantees.test_ranks import SEVERAL

AGAIN = Way("resumed", after=(ONE, MIDDLE))
ONTO_TWO = Way("resumed_on_two", ranks=2, after=(ONE, MIDDLE))
ONTO_ONE = Way("resumed_on_one", after=(SEVERAL[2], MIDDLE))


def lines(run: Path) -> list[dict[str, Any]]:
    """What metrics.jsonl says, without what a clock says."""
    return [{k: v for k, v in record.items() if k != "images_per_s"} for record in RunFolder(run).metrics()]


@methods("simclr_v2@quick@memory", "dino")
def test_a_resumed_run_ends_in_the_same_bytes(
    case: Case, trained: Callable[[Case, Way], Path], guarantee: Callable[..., Any]
) -> None:
    whole, resumed = trained(case, ONE), trained(case, AGAIN)
    guarantee("resume", whole, resumed, at_most=0, after=MIDDLE)
    for file in ("model.safetensors", "optimizer.safetensors", "state.json"):
        place = Path("checkpoints") / f"step-{STEPS:08d}" / file
        assert (whole / place).read_bytes() == (resumed / place).read_bytes(), file
    assert lines(whole) == lines(resumed)


@pytest.mark.slow
@pytest.mark.parametrize(("whole", "onto"), [(ONE, ONTO_TWO), (SEVERAL[2], ONTO_ONE)], ids=["1-to-2", "2-to-1"])
@methods("dinov2")
def test_a_run_goes_on_with_another_number_of_processes(
    case: Case, whole: Way, onto: Way, trained: Callable[[Case, Way], Path], guarantee: Callable[..., Any]
) -> None:
    a, b = trained(case, whole), trained(case, onto)
    guarantee("resume on other ranks", a, b, after=MIDDLE)
    assert [(r["step"], r["lr"]) for r in lines(a)] == [(r["step"], r["lr"]) for r in lines(b)]
    assert json.loads((b / "summary.json").read_text())["processes"] == onto.ranks
