"""Columns `2 ranks` and `4 ranks`: so many processes, each with its share of the batch, equal one with all of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.guarantees.cases import Case
from tests.guarantees.conftest import ONE, Way, methods

SEVERAL = {ranks: Way(f"ranks_{ranks}", ranks=ranks, options={"verify_every": 1}) for ranks in (2, 4)}


@pytest.mark.parametrize("ranks", [2, pytest.param(4, marks=pytest.mark.slow)])
@methods("moco_v2@quick", "dinov2")
def test_several_processes_equal_one(
    case: Case, ranks: int, trained: Callable[[Case, Way], Path], guarantee: Callable[..., Any]
) -> None:
    guarantee(f"{ranks} ranks", trained(case, ONE), trained(case, SEVERAL[ranks]))
