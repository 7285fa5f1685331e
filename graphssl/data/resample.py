"""Cut a window out of each image and resize it, antialiased, as torchvision's resized_crop on tensors does."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from graphssl.data.moving import moved

# Up to this side (pixels), on a CPU, one pair of dense matrix products for a whole batch beats one call per image.
SMALL = 64


def to_float(images: Tensor) -> Tensor:
    """uint8 in 0..255 to float32 in [0, 1]; float images are returned as they are."""
    return images if images.is_floating_point() else images.float().div_(255)


def crop_and_resize(images: Tensor, windows: Tensor, size: tuple[int, int], interpolation: str) -> Tensor:
    """Windows of the images, resized: (g 3 h' w'), float32 in [0, 1], or uint8.

    Args:
        images: (g 3 h w), uint8 or float in [0, 1].
        windows: (g 4) int64 on the CPU; top, left, height, width of each window, inside the image.
        size: h', w'.
        interpolation: bilinear or bicubic; or nearest, which gives values of the images as they are, (g c h w) of any range.

    Small images, and all images on an accelerator, go through dense matrices in float32. Large ones on a CPU are
    resized one by one; if they are uint8 they stay that, which is three times as fast and rounds to 1/255.
    """
    if interpolation == "nearest":
        top, left, height, width = windows[:, :, None].unbind(1)  # g 1
        rows, columns = (torch.arange(n) * 2 + 1 for n in size)  # twice the middles of pixels
        return picked(images, top + rows * height // (2 * size[0]), left + columns * width // (2 * size[1]))
    if images.device.type != "cpu" or max(images.shape[-2:]) <= SMALL:
        return _by_matrices(to_float(images), windows, size, interpolation)
    resized = []
    for image, (top, left, height, width) in zip(images, windows.tolist(), strict=True):
        window = image[None, :, top : top + height, left : left + width]
        if not image.is_floating_point():
            window = window.contiguous(memory_format=torch.channels_last)
        resized.append(F.interpolate(window, size, mode=interpolation, antialias=True))
    out = torch.cat(resized) if len(resized) > 1 else resized[0]
    return out.clamp_(0, 1) if images.is_floating_point() else out


def picked(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Pixels of images (g c h w) at rows (g h') and columns (g w') of theirs: (g c h' w')."""
    rows, columns = moved(rows, images.device), moved(columns, images.device)
    which = torch.arange(len(images), device=images.device)[:, None, None]
    return images[which, :, rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2).contiguous()  # from g h' w' c


def _by_matrices(images: Tensor, windows: Tensor, size: tuple[int, int], interpolation: str) -> Tensor:
    g, c, height, width = images.shape
    top, left, tall, wide = moved(windows, images.device).unbind(1)
    rows = _weights(top, tall, height, size[0], interpolation)  # g h' h
    columns = _weights(left, wide, width, size[1], interpolation)  # g w' w
    across = torch.bmm(images.reshape(g, c * height, width), columns.transpose(1, 2)).view(g, c, height, size[1])
    wide_rows = across.transpose(1, 2).reshape(g, height, c * size[1])  # one product per image, not one per channel
    out = torch.bmm(rows, wide_rows).view(g, size[0], c, size[1]).transpose(1, 2).contiguous()
    return out.clamp_(0, 1)


def _weights(start: Tensor, length: Tensor, side: int, size: int, interpolation: str) -> Tensor:
    """Row i of (g size side): how much each pixel of the whole side adds to output pixel i of the window.

    The window [start, start + length) is stretched over `size` pixels. With s = length / size, output i sits at
    c = s * (i + .5); a pixel at distance x from it weighs filter(x / max(s, 1)), and rows sum to one.
    """
    scale = (length.float() / size)[:, None, None]  # g 1 1
    steps = torch.arange(max(side, size), device=start.device, dtype=torch.float32)
    centre = scale * (steps[:size, None] + 0.5)  # g size 1
    pixel = steps[None, None, :side] - start[:, None, None]  # g 1 side
    distance = ((pixel + 0.5 - centre) / scale.clamp(min=1)).abs_()
    weights = _triangle(distance) if interpolation == "bilinear" else _cubic(distance)
    weights *= (pixel >= 0) & (pixel < length[:, None, None])
    return weights.div_(weights.sum(dim=2, keepdim=True))


def _triangle(x: Tensor) -> Tensor:
    return x.neg_().add_(1).clamp_(min=0)


def _cubic(x: Tensor) -> Tensor:
    """Keys' kernel with a = -1/2, as Pillow's and torch's antialiased bicubic."""
    near = (1.5 * x - 2.5).mul_(x).mul_(x).add_(1)
    far = (-0.5 * x + 2.5).mul_(x).sub_(4).mul_(x).add_(2)
    return near.mul_(x < 1).add_(far.mul_((x >= 1) & (x < 2)))
