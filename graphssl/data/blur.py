"""Gaussian blur on a batch, each image with its own sigma."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, partial

import torch
from torch import Tensor

from graphssl.data import opencv
from graphssl.data.opencv import or_opencv


def kernel_width(kernel: int | str, size: int, largest_sigma: float) -> int:
    """Width in pixels of the kernel that `blur.kernel` names, for a view of `size` pixels; always odd.

    "P%" is rounded as in simclr:tf2/data_util.py (10 % of 224 gives 23, of 32 gives 3); "auto" reaches three times
    the largest sigma on each side. Never so wide that a reflected edge would not be defined.
    """
    if kernel == "auto":
        radius = math.ceil(3 * largest_sigma)
    elif isinstance(kernel, str):
        radius = int(size * float(kernel.removesuffix("%")) / 100 + 1e-9) // 2
    else:
        radius = kernel // 2
    return 2 * min(radius, size - 1) + 1


def gaussian_blur(images: Tensor, sigma: Tensor, width: int) -> Tensor:
    """Images (g 3 h w) convolved with a Gaussian of `width` taps and their own sigma (g), edges reflected.

    Equal to torchvision.transforms.v2.functional.gaussian_blur, computed as two one-dimensional passes.
    """
    return images if width == 1 else _blurred(width // 2)(images, sigma)


def _blurred(radius: int) -> Callable[[Tensor, Tensor], Tensor]:
    @or_opencv(partial(opencv.gaussian_blur, radius=radius))
    def by_matrices(images: Tensor, sigma: Tensor) -> Tensor:
        return _by_matrices(images, _taps(sigma, 2 * radius + 1))

    return by_matrices


def _taps(sigma: Tensor, width: int) -> Tensor:
    """(g width), each row summing to one."""
    x = torch.arange(width, device=sigma.device, dtype=torch.float32) - width // 2
    return torch.softmax((x / sigma[:, None]).square_().mul_(-0.5), dim=1)


def _by_matrices(images: Tensor, taps: Tensor) -> Tensor:
    g, c, height, width = images.shape
    rows = (taps @ _shifts(height, taps.shape[1], images.device)).view(g, height, height)
    columns = rows if width == height else (taps @ _shifts(width, taps.shape[1], images.device)).view(g, width, width)
    across = torch.bmm(images.reshape(g, c * height, width), columns.transpose(1, 2)).view(g, c, height, width)
    wide_rows = across.transpose(1, 2).reshape(g, height, c * width)
    return torch.bmm(rows, wide_rows).view(g, height, c, width).transpose(1, 2).contiguous()


@lru_cache(maxsize=16)
def _shifts(side: int, width: int, device: torch.device) -> Tensor:
    """(width side*side): matrix t moves every pixel by t - width // 2, reflecting at the edges."""
    pixel = torch.arange(side, device=device)
    shifts = torch.zeros(width, side, side, device=device)
    for tap in range(width):
        source = (pixel + tap - width // 2).abs()
        source = (side - 1) - ((side - 1) - source).abs()
        shifts[tap, pixel, source] = 1
    return shifts.view(width, side * side)
