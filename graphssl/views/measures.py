"""What a run measured of its nodes, as frozen data: how a drawing is coloured. Never imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """One quantity over the steps of a run.

    values: by node, one number a step, None where it was not measured. low, high: ends of the colour scale.
    good: which end is healthy, `low`, `high`, or nothing where neither is.
    """

    name: str
    title: str
    unit: str
    doc: str
    low: float
    high: float
    good: str
    values: Mapping[str, tuple[float | None, ...]]


@dataclass(frozen=True)
class Measures:
    """All that a run measured, at the same steps."""

    steps: tuple[int, ...]
    measures: tuple[Measure, ...]
