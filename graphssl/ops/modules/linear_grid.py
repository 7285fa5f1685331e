"""Linear classifiers side by side."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphssl.ops.modules.distributed import mean_count
from graphssl.ops.modules.mlp import linear
from graphssl.ops.modules.precision import full_precision


class GridOutput(NamedTuple):
    """loss: scalar; best: scalar between 0 and 1; each (g): shares of right answers."""

    loss: Tensor
    best: Tensor
    each: Tensor


class LinearGrid(nn.Module):
    """`count` classifiers of features (b d), all in one product; samples with label -1 do not count."""

    def __init__(self, width: int, *, count: int, classes: int, init_std: float | None = None):
        super().__init__()
        self.classifiers: Any = nn.ModuleList([linear(width, dim=classes, init_std=init_std) for _ in range(count)])

    def forward(self, features: Tensor, label: Tensor) -> GridOutput:
        weight = torch.cat([one.weight for one in self.classifiers])  # g·k d
        bias = torch.cat([one.bias for one in self.classifiers])
        logits = F.linear(full_precision(features), weight, bias).unflatten(1, (len(self.classifiers), -1))  # b g k
        known = mean_count(label >= 0)
        every = label[:, None].expand(-1, logits.shape[1])  # b g
        loss = F.cross_entropy(logits.flatten(0, 1), every.flatten(), ignore_index=-1, reduction="sum") / known
        each = (logits.detach().argmax(dim=2) == every).sum(dim=0) / known
        return GridOutput(loss, each.max(), each)
