"""Which number format autocast computes in on a device."""

from __future__ import annotations

import torch


def precision_on(precision: str, device: torch.device | str) -> str:
    """`fp32`, `bf16` or `fp16`: what a recipe's `precision` means on this device.

    `auto` is bf16 where the hardware multiplies it, and fp32 elsewhere: emulated, it is several times slower than fp32.
    """
    if precision != "auto":
        return precision
    kind = torch.device(device).type
    if kind == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    native = kind == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return "bf16" if native else "fp32"
