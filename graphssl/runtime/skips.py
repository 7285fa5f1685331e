"""Steps that changed nothing, since their loss was not finite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from graphssl.runtime.errors import RunError

MOST = 10


@dataclass
class Skips:
    """How many there were, and how many of these up to now without a good step between them."""

    total: int = 0
    in_a_row: int = 0

    def note(self, step: int, applied: bool) -> None:
        """Count a step; too many in a row end the run."""
        self.in_a_row = 0 if applied else self.in_a_row + 1
        self.total += not applied
        if self.in_a_row >= MOST:
            raise RunError(
                f"the loss was not finite {MOST} steps in a row (up to step {step}): "
                "lower the learning rate, or use bf16 or fp32 instead of fp16"
            )

    def facts(self) -> dict[str, int]:
        return {"total": self.total, "in_a_row": self.in_a_row}

    def restore(self, facts: Mapping[str, int]) -> None:
        self.total, self.in_a_row = facts["total"], facts["in_a_row"]
