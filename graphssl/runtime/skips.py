"""Steps that changed nothing, since their loss or gradient was not finite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphssl.runtime.errors import RunError

TOLD = 5
"""Times that a run says where it began; further steps are counted only."""


@dataclass
class Skips:
    """How many there were, how many of these up to now without a good step between them, and where those began."""

    most: int = 10  # in a row
    total: int = 0
    in_a_row: int = 0
    began: str = ""
    times: int = 0  # that a row of them began

    def note(self, step: int, why: str) -> None:
        """Count a skipped step; too many in a row end the run. why: what is known of the first in a row."""
        self.total, self.in_a_row = self.total + 1, self.in_a_row + 1
        if self.in_a_row == 1:
            self.began, self.times = f"at step {step + 1} {why}", self.times + 1
        if self.in_a_row >= self.most:
            raise RunError(
                f"loss or gradient was not finite {self.in_a_row} steps in a row; {self.began}: lower the learning rate, clip "
                "the gradient (train.clip), or use bf16 or fp32 instead of fp16"
            )

    def news(self) -> str | None:
        """A sentence about the step just done, when it was the first in a row that was skipped; not every time."""
        if self.in_a_row != 1 or self.times > TOLD:
            return None
        return f"skipped a step whose loss or gradient is not finite: {self.began}"

    def good(self) -> None:
        """A step changed the weights."""
        self.in_a_row = 0

    def facts(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "most"}

    def restore(self, facts: Mapping[str, Any]) -> None:
        self.total, self.in_a_row, self.times = (int(facts[key]) for key in ("total", "in_a_row", "times"))
        self.began = str(facts["began"])
