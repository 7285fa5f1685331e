"""Patch features as colours, as DINOv2 shows them (arXiv:2304.07193, figure 1 and section 7.5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from graphssl.evaluate.encoder import RunEncoder
from graphssl.pictures.photos import Photo
from graphssl.pictures.resized import resized, shown
from graphssl.pictures.sheet import Cell, Row, Sheet
from graphssl.runtime.errors import RunError

COLOURS = 3


@dataclass(frozen=True)
class Colours:
    """rgb: float32 (n h w 3) from 0 to 1, black where not foreground (n h w). explained: shares of the variance that the colours show."""

    rgb: Tensor
    foreground: Tensor
    explained: tuple[float, ...]


def colours(maps: Tensor, *, foreground: bool = True, invert: bool = False) -> Colours:
    """The colours of the cells of feature maps (n d h w) of a set of images, all together.

    The first component over all cells splits them where it is 0; the side that fills more of the images' middles than of
    their borders is the foreground. The first three components over the cells of the foreground are red, green and blue,
    each stretched from its least to its greatest value there.

    foreground: false: all cells are. invert: take the other side.

    Raises:
        RunError: fewer than three channels, or too few cells to have three components.

    Differs: the side is chosen by that rule; in the paper's figure a person chose it for each set. Each component points where its
    largest weight is positive, so that the same features give the same colours.
    """
    n, d, h, w = maps.shape
    if d < COLOURS:
        raise RunError(f"three colours need features of at least {COLOURS} channels, and these have {d}")
    cells = maps.permute(0, 2, 3, 1).reshape(-1, d).double()
    kept = torch.ones(n, h, w, dtype=torch.bool)
    if foreground:
        kept = _scores(cells, 1)[0].reshape(n, h, w) > 0
        if (_in_the_middle(kept) < _in_the_middle(~kept)) != invert:
            kept = ~kept
    if kept.sum() <= COLOURS:
        raise RunError(
            f"only {int(kept.sum())} cells are foreground, too few for colours: add --no-foreground, or show more images"
        )
    scores, explained = _scores(cells[kept.flatten()], COLOURS)
    low, high = scores.amin(dim=1, keepdim=True), scores.amax(dim=1, keepdim=True)
    rgb = torch.zeros(n, h, w, COLOURS)
    rgb[kept] = ((scores - low) / (high - low).clamp_min(1e-12)).T.float()
    return Colours(rgb, kept, explained)


def _scores(rows: Tensor, count: int) -> tuple[Tensor, tuple[float, ...]]:
    """Principal components of rows (n d), as scores (count n), and their shares of the variance."""
    centred = rows - rows.mean(dim=0)
    variances, directions = torch.linalg.eigh(centred.T @ centred)
    first = directions[:, -count:].flip(1)  # d count, largest variance first
    first = first * first.gather(0, first.abs().argmax(dim=0, keepdim=True)).sign()
    total = variances.sum().clamp_min(1e-300)
    return (centred @ first).T, tuple((variances.flip(0)[:count] / total).clamp_min(0).tolist())


def _in_the_middle(cells: Tensor) -> float:
    """How much more of the middles of the images than of the rest of them these cells (n h w) fill."""
    h, w = cells.shape[1:]
    middle = torch.zeros(h, w, dtype=torch.bool)
    middle[h // 4 : h - h // 4, w // 4 : w - w // 4] = True
    inside, outside = cells[:, middle].double().mean(), cells[:, ~middle].double().mean()
    return float(inside - outside.nan_to_num())


def pca_sheet(
    encoder: RunEncoder,
    photos: Sequence[Photo],
    *,
    size: int | None = None,
    foreground: bool = True,
    invert: bool = False,
) -> Sheet:
    """Each image beside the colours of its cells.

    Raises:
        RunError: fewer than two images: colours say what images have in common.
    """
    if len(photos) < 2:
        raise RunError("colours say what images have in common, and this is one: name at least two, or a folder")
    large = resized(encoder, size)
    found = colours(large.maps([photo.pixels for photo in photos], batch_size=8), foreground=foreground, invert=invert)
    rows = [
        Row((Cell(shown(large, photo.pixels), photo.name), Cell(_image(rgb))))
        for photo, rgb in zip(photos, found.rgb, strict=True)
    ]
    h, w = found.foreground.shape[1:]
    share = f"{found.foreground.double().mean():.0%} of the cells are foreground, " if foreground else ""
    return Sheet(
        f"PCA of patch features of {encoder.graph.name}",
        f"{len(photos)} images of {large.size} × {large.size} pixels (trained with {encoder.size}), maps of {h} × {w} cells; {share}"
        f"the colours show {sum(found.explained):.0%} of their variance",
        ("image", "first three components"),
        tuple(rows),
    )


def _image(rgb: Tensor) -> Image.Image:
    return Image.fromarray((255 * rgb).round().byte().numpy())
