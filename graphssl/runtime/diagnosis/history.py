"""What a run has logged so far, as symptoms look at it. Pure data: the same lines give the same history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Record = Mapping[str, Any]
"""One line of metrics.jsonl."""

LASTING = 50
"""Steps that something has to last to be told: the first of a run are measured more often, and one batch says little."""


class Point(NamedTuple):
    """A number and the step after which it was measured."""

    step: int
    value: float


class History:
    """Lines of a run, oldest first. Of lines without measurements only the newest stays."""

    def __init__(self) -> None:
        self.measured: list[Record] = []
        self.newest: Record = {}

    def add(self, record: Record) -> None:
        self.newest = record
        if record.get("nodes"):
            self.measured.append(record)

    def of(self, node: str, measure: str) -> list[Point]:
        """One measure of a node over the run."""
        return [
            Point(record["step"], record["nodes"][node][measure])
            for record in self.measured
            if measure in record["nodes"].get(node, ())
        ]

    def newest_of(self, node: str, measure: str) -> Point | None:
        """The value at the newest measured line."""
        points = self.of(node, measure)
        return points[-1] if points and points[-1].step == self.measured[-1]["step"] else None

    def lasting(self, node: str, measure: str, steps: int = LASTING) -> list[Point]:
        """The newest values that cover `steps` steps, two at least; nothing where the newest line lacks it, or too few are known."""
        points = self.of(node, measure)
        if not self.newest_of(node, measure):
            return []
        old = [i for i, point in enumerate(points) if point.step <= points[-1].step - steps]
        return points[old[-1] :] if old else []

    def fallen(self, node: str, measure: str, low: float, share: float) -> tuple[Point, Point] | None:
        """The newest value and the largest so far, where it has lasted that values are at most `low` and this share of the largest."""
        recent = self.lasting(node, measure)
        if not recent:
            return None
        highest = max(self.of(node, measure), key=lambda point: point.value)
        if any(point.value > min(low, share * highest.value) for point in recent):
            return None
        return recent[-1], highest
