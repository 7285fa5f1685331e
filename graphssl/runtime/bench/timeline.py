"""When which part of a step began, and the time that each part took."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Any

import torch

from graphssl.runtime.bench.profile import Part
from graphssl.runtime.stopwatch import between, device_clock


class Timeline:
    """Takes down the moments at which parts begin, on the device's clock where it has one, else waiting for the device each time."""

    def __init__(self, device: torch.device):
        self.now = device_clock(device)
        self.begun: list[tuple[Part | None, Any]] = []

    def turn(self, part: Part | None) -> None:
        """`part` begins now, and what was going on ends."""
        self.begun.append((part, self.now()))

    def seconds(self) -> dict[Part, float]:
        """The time of each part up to the last turn; that of None is left out."""
        found: defaultdict[Part, float] = defaultdict(float)
        for (part, start), (_, end) in pairwise(self.begun):
            if part is not None:
                found[part] += between(start, end)
        return found
