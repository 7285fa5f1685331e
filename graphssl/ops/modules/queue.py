"""A first-in first-out register of rows."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphssl.ops.modules.distributed import gather
from graphssl.ops.modules.lists import as_list


class Queue(nn.Module):
    """`queue()` reads all rows (size d); `stage` collects rows of a step, `commit` writes them, oldest overwritten.

    They are written view by view, each in the order of the samples in the global batch, whatever ranks and micro-batches it
    was split into.
    """

    rows: Tensor
    pointer: Tensor

    def __init__(self, width: int, *, size: int, unit: bool):
        super().__init__()
        rows = torch.randn(size, width)
        self.register_buffer("rows", F.normalize(rows, dim=1) if unit else rows)
        self.register_buffer("pointer", torch.zeros((), dtype=torch.long))
        self.staged: list[Tensor] = []  # all views of a micro-batch, then those of the next
        self.views = 1

    def forward(self) -> Tensor:
        return self.rows

    def stage(self, rows: Tensor | list[Tensor]) -> None:
        views = as_list(rows)
        self.staged += [view.detach() for view in views]
        self.views = len(views)

    def commit(self) -> None:
        if not self.staged:
            return
        views = [torch.cat(self.staged[view :: self.views]) for view in range(self.views)]
        rows = torch.cat([gather(view, grad=False) for view in views]).to(self.rows.dtype)
        self.staged.clear()
        size = len(self.rows)
        skipped = max(0, len(rows) - size)  # more rows than fit: only the newest stay
        places = (self.pointer + torch.arange(skipped, len(rows), device=rows.device)) % size
        self.rows[places] = rows[skipped:]
        self.pointer.add_(len(rows)).remainder_(size)
