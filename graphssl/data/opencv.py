"""Changes of one large image on the host, by OpenCV: several times as fast there as torch's operations on a batch.

An image is a float32 array (h w 3) in [0, 1] and is changed in place. The functions are those of `graphssl.data.colour` and
`graphssl.data.blur`, which small images and accelerators use, and agree with them to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graphssl.data.resample import SMALL

Image = NDArray[np.float32]

LUMINANCE = np.array([[0.2989, 0.587, 0.114]], dtype=np.float32)
FLOAT_REACH = 6.0  # a Gaussian is below float32's resolution this many sigma away

cv2.setNumThreads(0)  # the loader's workers are the parallelism


def suits(size: int, device: torch.device) -> bool:
    """Whether images of `size` pixels are changed here."""
    return device.type == "cpu" and size > SMALL


def or_opencv(change: Callable[..., Any]) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """A function of images (g 3 h w) and numbers for each (g) does large images on the host by `change`, one by one."""

    def decorate(batched: Callable[..., Tensor]) -> Callable[..., Tensor]:
        @wraps(batched)
        def chosen(images: Tensor, *numbers: Tensor) -> Tensor:
            if not suits(images.shape[-1], images.device) or not images.is_contiguous(
                memory_format=torch.channels_last
            ):
                return batched(images, *numbers)
            arrays = images.permute(0, 2, 3, 1).numpy()  # the same memory
            for image, *own in zip(arrays, *(values.tolist() for values in numbers), strict=True):
                change(image, *own)
            return images

        return chosen

    return decorate


def scale_brightness(image: Image, factor: float) -> None:
    np.multiply(image, np.float32(factor), out=image)
    _clip(image)


def add_brightness(image: Image, offset: float) -> None:
    np.add(image, np.float32(offset), out=image)
    _clip(image)


def contrast(image: Image, factor: float) -> None:
    mean = cv2.transform(image, LUMINANCE).mean()
    np.multiply(image, np.float32(factor), out=image)
    np.add(image, mean * np.float32(1 - factor), out=image)
    _clip(image)


def saturation(image: Image, factor: float) -> None:
    mixed = factor * np.eye(3, dtype=np.float32) + np.float32(1 - factor) * LUMINANCE
    np.clip(cv2.transform(image, mixed), 0, 1, out=image)


def hue(image: Image, shift: float) -> None:
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hue = hsv[:, :, 0]
    np.add(hue, np.float32(360 * (shift % 1)), out=hue)  # degrees; OpenCV takes them up to 720
    cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB, dst=image)
    _clip(image)


def grayscale(image: Image) -> None:
    cv2.transform(image, np.repeat(LUMINANCE, 3, axis=0), dst=image)


def flip(image: Image) -> None:
    image[:] = cv2.flip(image, 1).reshape(image.shape)  # which lacks an axis for one channel


def gaussian_blur(image: Image, sigma: float, radius: int) -> None:
    """With 2 radius + 1 taps that sum to one, edges reflected."""
    reach = min(radius, max(math.ceil(FLOAT_REACH * sigma), 1))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2).astype(np.float32)
    taps /= taps.sum()
    cv2.sepFilter2D(image, -1, taps, taps, dst=image, borderType=cv2.BORDER_REFLECT_101)


def normalize(image: Image, mean: Image, std: Image) -> None:
    """(x - mean) / std by channel."""
    rows = image.reshape(len(image), -1)  # a row is a sequence of r g b
    np.subtract(rows, np.tile(mean, image.shape[1]), out=rows)
    np.divide(rows, np.tile(std, image.shape[1]), out=rows)


def _clip(image: Image) -> None:
    np.clip(image, 0, 1, out=image)
