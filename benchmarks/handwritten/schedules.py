"""Values that change from step to step, and which weights are decayed."""

import math

from torch import nn


def cosine(step: int, steps: int, first: float, last: float) -> float:
    """From `first` at step 0 to `last` at `steps`, half a cosine wave."""
    return last + (first - last) * (1 + math.cos(math.pi * step / steps)) / 2


def warm_cosine(step: int, warmup: int, steps: int, peak: float, last: float = 0.0) -> float:
    """Linear from 0 to `peak` in `warmup` steps, then a cosine to `last`."""
    return peak * step / warmup if step < warmup else cosine(step - warmup, steps - warmup, peak, last)


def decayed_or_not(*modules: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The trained weights of matrices and convolutions, and those of biases and norms."""
    decayed, others = [], []
    for module in modules:
        for layer in module.modules():
            norm = "norm" in type(layer).__name__.lower()
            for name, p in layer.named_parameters(recurse=False):
                if p.requires_grad:
                    (others if norm or name == "bias" else decayed).append(p)
    return decayed, others
