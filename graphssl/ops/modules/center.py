"""A running mean that is subtracted."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphssl.ops.modules.distributed import summed


class Center(nn.Module):
    """`center(x)` is x minus the mean; `stage` collects the rows of a step, `commit` moves the mean towards theirs."""

    center: Tensor

    def __init__(self, width: int, *, momentum: float = 0.9):
        super().__init__()
        self.momentum = momentum
        self.register_buffer("center", torch.zeros(width))
        self.staged: list[Tensor] = []

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return x - self.center

    def stage(self, x: Tensor, mask: Tensor | None = None) -> None:
        """Keep the sum of the rows, and behind it how many they are."""
        rows = x.detach().flatten(0, -2)  # r k
        count = self.center.new_full((1,), len(rows))
        if mask is not None:
            counted = mask.flatten() != 0
            rows, count = rows.where(counted[:, None], 0), counted.sum()[None]
        total = rows.sum(dim=0, dtype=self.center.dtype)
        self.staged.append(torch.cat([total, count.to(total)]))

    def commit(self) -> None:
        if not self.staged:
            return
        total = summed(torch.stack(self.staged).sum(dim=0))  # k + 1
        count = total[-1]
        self.staged.clear()
        moved = self.momentum * self.center + (1 - self.momentum) * total[:-1] / count.clamp(min=1)
        self.center.copy_(moved.where(count > 0, self.center))
