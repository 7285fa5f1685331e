"""One function per augmentation step: from parameters and random numbers to something that changes images.

Each draws for the whole batch at once and gives back (apply, sizes): `apply(images, rows)` takes a part of the batch,
(g 3 h w) with `rows` the positions of its g images in the batch, and `sizes` are the images' sizes afterwards. An
`apply` may change float images in place, never uint8 ones: those belong to the source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from graphssl.data import colour, opencv
from graphssl.data.blur import gaussian_blur, kernel_width
from graphssl.data.crop import erased_windows, padded_windows, random_windows
from graphssl.data.errors import DataError
from graphssl.data.moving import moved
from graphssl.data.opencv import or_opencv
from graphssl.data.philox import Draws
from graphssl.data.resample import crop_and_resize, picked, to_float

Rows = NDArray[np.int64]
Apply = Callable[[Tensor, Rows], Tensor]


@dataclass(frozen=True)
class Situation:
    """What a step meets: the images' sizes (b 2: height, width), the view's size, and where the pixels are.

    labels: the pixels are class numbers, not colours: they move, and are never mixed.
    """

    sizes: NDArray[np.int64]
    size: int
    device: torch.device
    labels: bool = False

    def interpolation(self, params: Mapping[str, Any]) -> str:
        return "nearest" if self.labels else str(params["interpolation"])

    def tensor(self, values: NDArray[Any]) -> Tensor:
        return moved(values.astype(np.float32), self.device)

    def view_sizes(self) -> NDArray[np.int64]:
        return np.full_like(self.sizes, self.size)


Prepared = tuple[Apply, NDArray[np.int64]]
Operation = Callable[[Mapping[str, Any], Draws, Situation], Prepared]


def crop(params: Mapping[str, Any], draws: Draws, at: Situation) -> Prepared:
    windows = torch.from_numpy(random_windows(params, draws, at.sizes))

    def apply(images: Tensor, rows: Rows) -> Tensor:
        return crop_and_resize(images, windows[rows], (at.size, at.size), at.interpolation(params))

    return apply, at.view_sizes()


def resize(params: Mapping[str, Any], draws: Draws, at: Situation) -> Prepared:
    wanted = params["size"]
    if isinstance(wanted, str):
        wanted = round(at.size * float(wanted.removesuffix("%")) / 100)
    shorter = at.size if wanted is None else wanted
    sizes = np.maximum(shorter * at.sizes // at.sizes.min(axis=1, keepdims=True), 1)  # the longer side rounded down

    def apply(images: Tensor, rows: Rows) -> Tensor:
        height, width = images.shape[-2:]
        size = (int(sizes[rows[0], 0]), int(sizes[rows[0], 1]))
        if (height, width) == size:
            return images
        whole = torch.tensor([[0, 0, height, width]]).expand(len(images), 4)
        return crop_and_resize(images, whole, size, at.interpolation(params))

    return apply, sizes


def center_crop(params: Mapping[str, Any], draws: Draws, at: Situation) -> Prepared:
    room = at.sizes - at.size
    corner = np.where(room >= 0, np.rint(room / 2).astype(np.int64), -(-room // 2))  # as torchvision
    return lambda images, rows: _cut(images, corner[rows], at.size), at.view_sizes()


def pad_crop(params: Mapping[str, Any], draws: Draws, at: Situation) -> Prepared:
    smallest = int(at.sizes.min()) + 2 * params["padding"]
    if smallest < at.size:
        raise DataError(
            f"`pad_crop` cannot cut {at.size} pixels from an image that has {smallest} after padding; "
            "put `resize` before it or raise `padding`"
        )
    corner = padded_windows(params["padding"], draws, at.sizes, at.size)[:, :2]
    return lambda images, rows: _cut(images, corner[rows], at.size), at.view_sizes()


def flip(params: Mapping[str, Any], draws: Draws, at: Situation) -> Prepared:
    hit = draws.uniforms(0)[:, 0] < params["p"]
    return lambda images, rows: _where(images, hit[rows], lambda some, _: _mirrored(some)), at.sizes


def vertical_flip(params: Mapping[str, Any], draws: Draws, at: Situation) -> Prepared:
    hit = draws.uniforms(0)[:, 0] < params["p"]
    return lambda images, rows: _where(images, hit[rows], lambda some, _: some.flip(-2)), at.sizes


def rotate(params: Mapping[str, Any], draws: Draws, at: Situation) -> Prepared:
    u = draws.uniforms(0)
    hit = u[:, 0] < params["p"]
    angles = np.radians(params["degrees"]) * (2 * u[:, 1] - 1)

    def apply(images: Tensor, rows: Rows) -> Tensor:
        def turned(some: Tensor, which: Rows) -> Tensor:
            return _turned(some, at.tensor(angles[rows[which]]), "nearest" if at.labels else "bilinear")

        return _where(images, hit[rows], turned)

    return apply, at.sizes


def jitter(params: Mapping[str, Any], draws: Draws, at: Situation) -> Prepared:
    additive = params["brightness_mode"] == "additive"
    functions = {
        "brightness": colour.add_brightness if additive else colour.scale_brightness,
        "contrast": colour.contrast,
        "saturation": colour.saturation,
        "hue": colour.hue,
    }
    used = [name for name in colour.JITTERS if params[name] > 0]
    u = draws.uniforms(0)  # one column per change, so that turning one off leaves the others as they were
    strengths = np.empty((len(u), len(used)))
    for column, name in enumerate(used):
        offset = name == "hue" or (name == "brightness" and additive)
        low, high = (-params[name], params[name]) if offset else (max(0.0, 1 - params[name]), 1 + params[name])
        strengths[:, column] = low + u[:, colour.JITTERS.index(name)] * (high - low)
    columns = [colour.JITTERS.index(name) for name in used]
    order = np.argsort(draws.uniforms(1)[:, columns], axis=1, kind="stable")
    if params["order"] == "fixed":
        order = np.broadcast_to(np.arange(len(used)), order.shape)
    hit = draws.uniforms(2)[:, 0] < params["p"]
    changes = [functions[name] for name in used]

    def apply(images: Tensor, rows: Rows) -> Tensor:
        def change(some: Tensor, which: Rows) -> Tensor:
            return colour.jitter(some, at.tensor(strengths[rows[which]]), order[rows[which]], changes)

        return _where(images, hit[rows], change)

    return apply, at.sizes


def grayscale(params: Mapping[str, Any], draws: Draws, at: Situation) -> Prepared:
    hit = draws.uniforms(0)[:, 0] < params["p"]
    return lambda images, rows: _where(images, hit[rows], lambda some, _: colour.grayscale(some)), at.sizes


def blur(params: Mapping[str, Any], draws: Draws, at: Situation) -> Prepared:
    u = draws.uniforms(0)
    low, high = params["sigma"]
    hit = u[:, 0] < params["p"]
    sigma = low + u[:, 1] * (high - low)
    width = kernel_width(params["kernel"], at.size, high)

    def apply(images: Tensor, rows: Rows) -> Tensor:
        return _where(images, hit[rows], lambda some, which: gaussian_blur(some, at.tensor(sigma[rows[which]]), width))

    return apply, at.sizes


def solarize(params: Mapping[str, Any], draws: Draws, at: Situation) -> Prepared:
    hit = draws.uniforms(0)[:, 0] < params["p"]
    threshold = params["threshold"]
    return lambda images, rows: _where(images, hit[rows], lambda some, _: colour.solarize(some, threshold)), at.sizes


def invert(params: Mapping[str, Any], draws: Draws, at: Situation) -> Prepared:
    hit = draws.uniforms(0)[:, 0] < params["p"]
    return lambda images, rows: _where(images, hit[rows], lambda some, _: some.neg_().add_(1)), at.sizes


def erase(params: Mapping[str, Any], draws: Draws, at: Situation) -> Prepared:
    hit = draws.uniforms(0)[:, 0] < params["p"]
    windows = erased_windows(params["scale"], draws, at.sizes)

    def apply(images: Tensor, rows: Rows) -> Tensor:
        images = to_float(images)
        for place in np.flatnonzero(hit[rows]):
            top, left, height, width = windows[rows[place]]
            images[place, :, top : top + height, left : left + width] = 0
        return images

    return apply, at.sizes


def normalize(params: Mapping[str, Any], draws: Draws, at: Situation) -> Prepared:
    mean, std = (np.array(params[name], dtype=np.float32) for name in ("mean", "std"))
    if not mean.any() and (std == 1).all():
        return lambda images, rows: to_float(images), at.sizes

    @or_opencv(partial(opencv.normalize, mean=mean, std=std))
    def normalized(images: Tensor) -> Tensor:
        return images.sub_(at.tensor(mean)[:, None, None]).div_(at.tensor(std)[:, None, None])

    return lambda images, rows: normalized(to_float(images)), at.sizes


OPERATIONS: dict[str, Operation] = {
    "crop": crop,
    "resize": resize,
    "center_crop": center_crop,
    "pad_crop": pad_crop,
    "flip": flip,
    "vertical_flip": vertical_flip,
    "rotate": rotate,
    "jitter": jitter,
    "grayscale": grayscale,
    "blur": blur,
    "solarize": solarize,
    "invert": invert,
    "erase": erase,
    "normalize": normalize,
}

# Those that change sizes, and the only ones that leave uint8 images as uint8.
GEOMETRY = frozenset({"crop", "resize", "center_crop", "pad_crop"})

# Those that move pixels; all others change what pixels show.
MOVES = GEOMETRY | {"flip", "vertical_flip", "rotate"}


@or_opencv(opencv.flip)
def _mirrored(images: Tensor) -> Tensor:
    return images.flip(-1)


def _turned(images: Tensor, angles: Tensor, mode: str) -> Tensor:
    """Square images rotated around their centre by angles (g), in radians; mirrored at the edges."""
    cos, sin, zero = angles.cos(), angles.sin(), torch.zeros_like(angles)
    turns = torch.stack([cos, -sin, zero, sin, cos, zero], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(turns, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode=mode, padding_mode="reflection", align_corners=False)


_ALONE = {True: np.array([0]), False: np.array([], dtype=np.int64)}


def _where(images: Tensor, hit: NDArray[np.bool_], change: Callable[[Tensor, Rows], Tensor]) -> Tensor:
    """Images, float, with those that were hit changed; `change` gets them and their positions, and may overwrite them."""
    images = to_float(images)
    which = np.flatnonzero(hit) if len(hit) > 1 else _ALONE[hit[0]]
    if not len(which):
        return images
    if len(which) == len(images):
        return change(images, which)
    there = moved(which, images.device)
    return images.index_copy_(0, there, change(images.index_select(0, there), which))


def _cut(images: Tensor, corner: NDArray[np.int64], size: int) -> Tensor:
    """Squares of `size` pixels with these (g 2) top left corners; black where they leave the image."""
    pad = int(max(-corner.min(), (corner + size - np.array(images.shape[-2:])).max(), 0))
    images = F.pad(images, (pad, pad, pad, pad))
    top, left = torch.from_numpy(corner + pad)[:, :, None].unbind(1)  # g 1
    steps = torch.arange(size)
    return picked(images, top + steps, left + steps)
