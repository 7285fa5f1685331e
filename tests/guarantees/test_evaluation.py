"""Column `evaluation`: kNN, measuring and logging at every step leave a training as it would have been without them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from graphssl.runtime.folder import RunFolder
from tests.guarantees.cases import STEPS, Case
from tests.guarantees.conftest import ONE, Way, methods

LOOKED_AT = Way("looked_at", options={"eval_every": 1 / 3, "eval_samples": 20, "measure_every": 1})


@methods("byol@quick", "dinov2@quick")
def test_looking_at_a_run_changes_nothing(
    case: Case, trained: Callable[[Case, Way], Path], guarantee: Callable[..., Any]
) -> None:
    guarantee("evaluation", trained(case, ONE), trained(case, LOOKED_AT), at_most=0)
    run = RunFolder(trained(case, LOOKED_AT))
    text, knn = run.metrics_file.read_text(), run.summary()["knn"]
    assert text.count('"knn"') == STEPS + 1 and text.count('"nodes"') == STEPS, "it was looked at"
    assert knn["settings"] == "k 20, temperature 0.07, 20 training images", "stands beside the number"
