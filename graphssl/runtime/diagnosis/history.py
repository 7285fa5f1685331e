"""What a run has logged so far, as symptoms look at it. Pure data: the same lines give the same history."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

Record = Mapping[str, Any]
"""One line of metrics.jsonl."""


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

    def last(self, node: str, measure: str, count: int) -> list[Point]:
        """The newest `count` values; nothing where there are fewer, or where the newest line lacks the measure."""
        points = self.of(node, measure)[-count:]
        fresh = points and self.measured and points[-1].step == self.measured[-1]["step"]
        return points if fresh and len(points) == count else []

    def losses(self, name: str = "loss") -> list[Point]:
        """A logged number at the measured steps, where it is finite."""
        found = [Point(record["step"], record[name]) for record in self.measured if name in record]
        return [point for point in found if math.isfinite(point.value)]
