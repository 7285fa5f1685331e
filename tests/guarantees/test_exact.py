"""Column `exact accumulation`: micro-batches of one loss (`train.micro_batch`) equal the whole batch, wherever samples meet.

BatchNorm has groups of a micro-batch on both sides: without, `check` refuses it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.guarantees.cases import Case
from tests.guarantees.conftest import Way, methods

ROWS = 4
WHOLE = Way("grouped", grouped=ROWS)
IN_PARTS = Way("exact", overrides={"train.micro_batch": ROWS}, grouped=ROWS)


@methods("simclr@quick", "dino@sinkhorn")
def test_micro_batches_of_one_loss_equal_the_whole_batch(
    case: Case, trained: Callable[[Case, Way], Path], guarantee: Callable[..., Any]
) -> None:
    guarantee("exact accumulation", trained(case, WHOLE), trained(case, IN_PARTS))
