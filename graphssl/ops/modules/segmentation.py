"""A linear classifier of every place of a feature map."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


def segmentation_head(width: int, *, dim: int, init_std: float | None = None) -> nn.Sequential:
    """BatchNorm and a 1×1 convolution: map (b width h w) -> logits (b dim h w)."""
    classifier = nn.Conv2d(width, dim, kernel_size=1)
    if init_std is not None:
        nn.init.normal_(classifier.weight, std=init_std)
        assert classifier.bias is not None
        nn.init.zeros_(classifier.bias)
    return nn.Sequential(OrderedDict(norm=nn.BatchNorm2d(width), classifier=classifier))
