"""A linear classifier that watches."""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from graphssl.ops.modules.distributed import mean_count
from graphssl.ops.modules.precision import full_precision


class ProbeOutput(NamedTuple):
    """loss: scalar; accuracy: scalar between 0 and 1."""

    loss: Tensor
    accuracy: Tensor


class LinearProbe(nn.Module):
    """Logistic regression on detached features (b d); samples with label -1 do not count."""

    def __init__(self, width: int, *, classes: int):
        super().__init__()
        self.linear = nn.Linear(width, classes)

    def forward(self, features: Tensor, label: Tensor) -> ProbeOutput:
        logits = self.linear(full_precision(features.detach()))  # b k
        known = mean_count(label >= 0)
        loss = F.cross_entropy(logits, label, ignore_index=-1, reduction="sum") / known
        accuracy = (logits.argmax(dim=1) == label).sum() / known
        return ProbeOutput(loss, accuracy)
