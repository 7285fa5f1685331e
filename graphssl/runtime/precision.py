"""Which number format autocast computes in on a device."""

from __future__ import annotations

import torch


def set_products(precision: str, device: torch.device, *, tf32: bool) -> None:
    """How a GPU multiplies numbers in fp32, for this process; nothing changes on other devices.

    tf32: products and convolutions of an fp32 recipe round their factors to TF32 (10 bits of mantissa), as torch did when most
    recipes were made; without, to nothing. In half precision the few products that are left in fp32, those of losses, stay so.
    Convolutions take the algorithm that is fastest when each shape comes first (cudnn.benchmark), as the authors' scripts do.
    """
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high" if tf32 and precision == "fp32" else "highest")
        torch.backends.cudnn.allow_tf32 = tf32
        torch.backends.cudnn.benchmark = True


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
