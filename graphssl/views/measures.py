"""What a run measured of its nodes, as frozen data: how a drawing is coloured. Never imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log10


@dataclass(frozen=True)
class Measure:
    """One quantity over the steps of a run.

    values: by node, one number a step, None where it was not measured. low, high: ends of the colour scale.
    good: which end is healthy, `low`, `high`, or nothing where neither is. scale: `linear` or `log`.
    """

    name: str
    title: str
    unit: str
    doc: str
    low: float
    high: float
    good: str
    values: Mapping[str, tuple[float | None, ...]]
    scale: str = "linear"

    def place(self, value: float) -> float:
        """Where a value lies on the colour scale, 0 at `low` and 1 at `high`."""
        low, high = self.low, self.high
        if self.scale == "log":
            low, high, value = log10(low), log10(high), log10(max(value, self.low))
        return min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 1.0


@dataclass(frozen=True)
class Measures:
    """All that a run measured, at the same steps."""

    steps: tuple[int, ...]
    measures: tuple[Measure, ...]

    def get(self, name: str) -> Measure | None:
        return next((measure for measure in self.measures if measure.name == name), None)

    def index(self, step: int | None) -> int:
        """Of the newest step measured up to `step`; of the last one for None."""
        reached = [i for i, at in enumerate(self.steps) if step is None or at <= step]
        return reached[-1] if reached else 0
