"""Column `FSDP2`: weights and moments split over two processes, saved whole, and gone on with by whichever way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.guarantees.cases import MIDDLE, Case
from tests.guarantees.conftest import ONE, Way, methods

SPLIT = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}  # what `accelerate launch` sets
SHARDED = Way("sharded", ranks=2, environment=SPLIT, options={"verify_every": 1})
THEN_WHOLE = Way("sharded_then_whole", after=(SHARDED, MIDDLE))
THEN_SHARDED = Way("whole_then_sharded", ranks=2, environment=SPLIT, after=(ONE, MIDDLE))


@methods("dinov2")
def test_split_weights_equal_whole_ones(
    case: Case, trained: Callable[[Case, Way], Path], guarantee: Callable[..., Any]
) -> None:
    guarantee("FSDP2", trained(case, ONE), trained(case, SHARDED))


@methods()
def test_a_run_goes_on_whole_after_it_was_split_and_the_other_way_round(
    case: Case, trained: Callable[[Case, Way], Path], guarantee: Callable[..., Any]
) -> None:
    for way in (THEN_WHOLE, THEN_SHARDED):
        guarantee("FSDP2", trained(case, ONE), trained(case, way), after=MIDDLE)
