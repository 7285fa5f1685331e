"""Losses compute in full precision, whatever the encoder ran in."""

from __future__ import annotations

from torch import Tensor


def full_precision(x: Tensor) -> Tensor:
    """x in float32 at least (float64 stays)."""
    return x.float() if x.itemsize < 4 else x
