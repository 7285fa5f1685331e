"""An encoder for larger images than it was trained with, so that its map has enough cells to look at."""

from __future__ import annotations

import copy
from math import ceil

import torch
from PIL import Image
from torch import Tensor

from graphssl.evaluate.encoder import RunEncoder, Transform
from graphssl.runtime.errors import RunError

CELLS = 28
"""Cells a side that a map has at least, by default."""


def resized(encoder: RunEncoder, size: int | None = None) -> RunEncoder:
    """The encoder with the same weights for images of `size` × `size` pixels; the one that is given stays as it is.

    size: by default the multiple of the training size that gives a map of at least CELLS × CELLS. Positions of a transformer
    are interpolated, by timm's `set_input_size` or, where the model takes any size, by itself. Only `backbone`, `map`, `maps`
    and `transform` are of that size.

    Raises:
        RunError: patches do not fill such an image.
    """
    stride = _stride(encoder)
    if size is None:
        times = ceil(CELLS * stride / encoder.size)
        size = ceil(times * encoder.size / stride) * stride
    backbone = copy.deepcopy(encoder.backbone)
    patch = getattr(getattr(backbone, "patch_embed", None), "patch_size", None)
    if patch and (size < patch[0] or size % patch[0]):
        near = max(1, round(size / patch[0])) * patch[0]
        raise RunError(
            f"images of {size} pixels are no whole number of patches of {patch[0]} pixels: take --size {near}"
        )
    if hasattr(backbone, "set_input_size") and not getattr(backbone, "dynamic_img_size", False):
        backbone.set_input_size(img_size=(size, size))
    made = copy.copy(encoder)
    names = {module: name for name, module in encoder.named_children()}
    made._modules = {**encoder._modules, names[encoder.backbone]: backbone}
    made.size, made.transform = size, encoder.transform.at(size)
    return made


def shown(encoder: RunEncoder, pixels: Tensor) -> Image.Image:
    """What the encoder sees of an image, uint8 (3 h w): its transform without the normalisation."""
    steps = tuple((name, "none" if name == "normalize" else value) for name, value in encoder.transform.steps)
    seen = Transform(encoder.transform.size, steps)(pixels)
    return Image.fromarray((255 * seen).round().clamp(0, 255).byte().permute(1, 2, 0).numpy())


def _stride(encoder: RunEncoder) -> int:
    """Pixels between two cells of the map."""
    blank = torch.zeros(3, encoder.size, encoder.size, dtype=torch.uint8)
    return ceil(encoder.size / encoder.maps(blank).shape[-1])
