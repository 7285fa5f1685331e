"""Column `evaluation`: kNN, measuring and logging at every step leave a training as it would have been without them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.guarantees.cases import Case
from tests.guarantees.conftest import ONE, Way, methods

LOOKED_AT = Way("looked_at", options={"eval_every": 0.25, "eval_samples": 20, "measure_every": 1})


@methods("byol@quick", "dinov2@quick")
def test_looking_at_a_run_changes_nothing(
    case: Case, trained: Callable[[Case, Way], Path], guarantee: Callable[..., Any]
) -> None:
    guarantee("evaluation", trained(case, ONE), trained(case, LOOKED_AT), at_most=0)
    text = (trained(case, LOOKED_AT) / "metrics.jsonl").read_text()
    assert text.count('"knn"') == 7 and text.count('"nodes"') == 6, "it was looked at"
