"""Changes of colour on a batch, each image with its own strength.

Images are float32 (g 3 h w) in [0, 1], strengths (g). The formulas are those of
torchvision.transforms.v2.functional on float tensors; every change clamps to [0, 1], and may overwrite the images it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graphssl.data import opencv
from graphssl.data.moving import moved
from graphssl.data.opencv import or_opencv

JITTERS = ("brightness", "contrast", "saturation", "hue")  # also the order when it is `fixed`


def grey(images: Tensor) -> Tensor:
    """Luminance (g 1 h w): .2989 r + .587 g + .114 b, as torchvision and Pillow."""
    red, green, blue = images.unbind(1)
    return (red * 0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114).unsqueeze_(1)


@or_opencv(opencv.grayscale)
def grayscale(images: Tensor) -> Tensor:
    """The luminance in all three channels."""
    return images.copy_(grey(images))


@or_opencv(opencv.scale_brightness)
def scale_brightness(images: Tensor, factor: Tensor) -> Tensor:
    """images * factor."""
    return images.mul_(_per_image(factor)).clamp_(0, 1)


@or_opencv(opencv.add_brightness)
def add_brightness(images: Tensor, offset: Tensor) -> Tensor:
    """images + offset: brightness as in SimCLR v1 and BYOL."""
    return images.add_(_per_image(offset)).clamp_(0, 1)


@or_opencv(opencv.contrast)
def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Away from (or towards) the mean luminance of the image."""
    return _blend(images, grey(images).mean(dim=(1, 2, 3), keepdim=True), factor)


@or_opencv(opencv.saturation)
def saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Away from (or towards) the luminance of each pixel."""
    return _blend(images, grey(images), factor)


@or_opencv(opencv.hue)
def hue(images: Tensor, shift: Tensor) -> Tensor:
    """Hue turned by `shift` (in turns, -.5 to .5), through HSV.

    The way back from HSV is written channel by channel: with c = max - min and d the distance of 6 hue + n to a multiple of 6,
    channel = max - c * clamp(2 - d, 0, 1) for n = 3, 1, -1; algebraically the usual six-way choice.
    """
    red, green, blue = images.unbind(1)
    largest = torch.maximum(torch.maximum(red, green), blue)
    chroma = largest - torch.minimum(torch.minimum(red, green), blue)
    divisor = chroma + (chroma == 0)  # grey has no hue; any will do
    is_red = largest == red
    is_green = (largest == green) & ~is_red
    sixths = torch.where(is_red, green - blue, torch.where(is_green, blue - red, red - green)).div_(divisor)
    sixths += is_green * 2.0
    sixths += (~(is_red | is_green)) * 4.0
    sixths += 6 * shift[:, None, None]
    for channel, n in enumerate((3, 1, -1)):
        turned = sixths + n
        turned.sub_((turned / 6).round_(), alpha=6)  # to -3 .. 3
        inverse = turned.abs_().neg_().add_(2).clamp_(0, 1)
        torch.sub(largest, inverse.mul_(chroma), out=images[:, channel])
    return images.clamp_(0, 1)


def solarize(images: Tensor, threshold: float) -> Tensor:
    """1 - x where x >= threshold."""
    return torch.where(images >= threshold, 1 - images, images)


def jitter(
    images: Tensor, strengths: Tensor, order: NDArray[np.int64], changes: Sequence[Callable[[Tensor, Tensor], Tensor]]
) -> Tensor:
    """Several changes, each image in its own order.

    Args:
        images: (g 3 h w).
        strengths: (g n): of each of the n changes, for each image.
        order: (g n): which change an image gets first, second, ... (on the host, to spare an accelerator the wait)
        changes: the n functions.
    """
    if len(images) == 1:
        for number in order[0].tolist():
            images = changes[number](images, strengths[:, number])
        return images
    for turn in range(len(changes)):
        for number, change in enumerate(changes):
            which = np.flatnonzero(order[:, turn] == number)
            if len(which) == len(images):
                images = change(images, strengths[:, number])
            elif len(which):
                rows = moved(which, images.device)
                images.index_copy_(0, rows, change(images.index_select(0, rows), strengths[rows, number]))
    return images


def _per_image(values: Tensor) -> Tensor:
    return values[:, None, None, None]


def _blend(images: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    factor = _per_image(factor)
    return images.mul_(factor).add_(other * (1 - factor)).clamp_(0, 1)
