"""What one step gives."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor


class StepOutput(NamedTuple):
    """loss: the weighted total. losses: each loss node, unweighted. values: kept nodes. monitors: watched scalars."""

    loss: Tensor
    losses: dict[str, Tensor]
    values: dict[str, Any]
    monitors: dict[str, Tensor]
