"""What the machine can do: the speed of a matrix product, and its memory."""

from __future__ import annotations

import sys

import psutil  # type: ignore[import-untyped]
import torch
from torch import Tensor

from graphssl.runtime.stopwatch import between, device_clock

SIZES = {"cpu": (1024, 2048), "cuda": (4096, 8192)}
"""Rows of the square matrices that are multiplied."""

REPEATS = 5
"""Products of each size, of which the fastest counts."""

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def product_flops_per_s(precision: str, device: torch.device) -> float:
    """Floating-point operations per second of the fastest product of two large matrices, with this process's threads and settings."""
    best = 0.0
    for size in SIZES.get(device.type, SIZES["cpu"]):
        a, b = (torch.randn(size, size, device=device, dtype=DTYPES[precision]) for _ in range(2))
        seconds = min(_seconds(a, b) for _ in range(REPEATS))
        best = max(best, 2 * size**3 / seconds)
    return best


def _seconds(a: Tensor, b: Tensor) -> float:
    now = device_clock(a.device)
    start = now()
    a @ b
    return between(start, now())


def forget_peak(device: torch.device) -> None:
    """Start to look for the most memory from now on, where that can be done."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_bytes(device: torch.device) -> int:
    """The most memory in use so far: of tensors on a GPU, elsewhere of this process, without its data workers."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def device_bytes(device: torch.device) -> int | None:
    """All the memory of a GPU; nothing elsewhere."""
    return torch.cuda.mem_get_info(device)[1] if device.type == "cuda" else None
