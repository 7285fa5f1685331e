"""What one step gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor


class StepOutput(NamedTuple):
    """loss: the weighted total. losses: each loss node, unweighted. values: kept nodes. monitors: watched scalars."""

    loss: Tensor
    losses: dict[str, Tensor]
    values: dict[str, Any]
    monitors: dict[str, Tensor]


def asked(keep: Sequence[str], values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values whose names are to be kept."""
    return {name: value for name, value in values.items() if name in keep}
