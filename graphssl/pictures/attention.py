"""Where a transformer's class token looks, as DINO shows it (arXiv:2104.14294, figures 1 and 3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from graphssl.evaluate.attention import class_attention
from graphssl.evaluate.encoder import RunEncoder
from graphssl.pictures.photos import Photo
from graphssl.pictures.resized import resized, shown
from graphssl.pictures.sheet import Cell, Row, Sheet
from graphssl.views.palette import VIRIDIS


def attention_sheet(encoder: RunEncoder, photos: Sequence[Photo], *, size: int | None = None) -> Sheet:
    """Each image beside the attention of the last block's class token to its patches: the mean of the heads, then each head.

    Raises:
        RunError: the encoder is no transformer with a class token.
    """
    where = next(encoder.parameters()).device
    class_attention(
        encoder, torch.zeros(1, 3, encoder.size, encoder.size, device=where)
    )  # refuses what has none, before anything large
    large = resized(encoder, size)
    rows = []
    for photo in photos:
        seen = shown(large, photo.pixels)
        heads = class_attention(large, large.transform(photo.pixels)[None].to(where))[0].float().cpu()  # heads h w
        cells = [Cell(_over(seen, heat)) for heat in (heads.mean(dim=0), *heads)]
        rows.append(Row((Cell(seen, photo.name), *cells)))
    cells_a_side = heads.shape[-1]
    return Sheet(
        f"Attention of the class token of {encoder.graph.name}",
        f"last block; images of {large.size} × {large.size} pixels (trained with {encoder.size}), {cells_a_side} × {cells_a_side} patches; "
        "each picture from 0 (violet) to its own highest value (yellow)",
        ("image", "mean", *(f"head {i}" for i in range(1, len(heads) + 1))),
        tuple(rows),
    )


def _over(image: Image.Image, heat: Tensor) -> Image.Image:
    """The heat (h w) in viridis over the image in grey."""
    scale = torch.tensor([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in VIRIDIS], dtype=torch.float32)
    at = (heat / heat.max().clamp_min(1e-12)) * (len(scale) - 1)
    low = at.long().clamp_max(len(scale) - 2)
    colours = torch.lerp(scale[low], scale[low + 1], (at - low)[..., None])
    drawn = Image.fromarray(colours.round().byte().numpy()).resize(image.size, Image.Resampling.NEAREST)
    return Image.blend(image.convert("L").convert("RGB"), drawn, 0.75)
