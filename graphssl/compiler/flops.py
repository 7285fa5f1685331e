"""Floating-point operations of what torch computes, by who asks for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

_aten = torch.ops.aten
FORMULAS: Mapping[Any, Callable[..., int]] = {
    **flop_registry,
    # torch counts attention on GPUs only
    _aten._scaled_dot_product_flash_attention_for_cpu: flop_registry[_aten._scaled_dot_product_flash_attention],
    _aten._scaled_dot_product_flash_attention_for_cpu_backward: flop_registry[
        _aten._scaled_dot_product_flash_attention_backward
    ],
}
"""Operations of a matrix product, convolution or attention, from its shapes; a multiplication with an addition is two."""


class Flops(TorchDispatchMode):
    """Within `with`, `counts` adds up operations for what `owner()` says at the time; for "", nobody, nothing is counted."""

    def __init__(self, owner: Callable[[], str]):
        super().__init__()
        self.owner = owner
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        formula = FORMULAS.get(func._overloadpacket)
        if formula and (owner := self.owner()):
            self.counts[owner] += formula(*args, **(kwargs or {}), out_val=out)
        return out
