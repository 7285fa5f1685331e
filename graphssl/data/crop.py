"""Where to cut: random windows in the three ways methods draw them. Only arithmetic; nothing is cut here.

A window is a row (top, left, height, width) in pixels. Images are numbered 0..b-1 in the batch, sizes are (b 2) rows
(height, width), and all functions work on the whole batch at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphssl.data.philox import Draws

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

TORCHVISION_TRIES = 10
TENSORFLOW_TRIES = 100
MIN_OBJECT_COVERED = 0.1


def random_windows(params: Mapping[str, Any], draws: Draws, sizes: Ints) -> Ints:
    """Windows (b 4) for the step `crop`, by its `method`."""
    return METHODS[params["method"]](params["scale"], params["ratio"], draws, sizes)


def torchvision_windows(scale: list[float], ratio: list[float], draws: Draws, sizes: Ints) -> Ints:
    """torchvision's RandomResizedCrop: uniform area, log-uniform ratio, ten tries.

    If no try fits, the largest central window whose ratio is within bounds.
    Differs: none known (the random numbers are ours).
    """

    def one_try(u: Floats, sizes: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        windows = _with_positions(_log_uniform_shapes(u, scale, ratio, sizes), u, sizes)
        return windows, _inside(windows, sizes)

    return _first_success(one_try, TORCHVISION_TRIES, draws, sizes, _central(ratio, sizes))


def byol_windows(scale: list[float], ratio: list[float], draws: Draws, sizes: Ints) -> Ints:
    """BYOL's crop (deepmind-research:byol/utils/dataset.py): one try, sides clipped to the image.

    Differs: none known.
    """
    u = draws.uniforms(0)
    return _with_positions(np.clip(_log_uniform_shapes(u, scale, ratio, sizes), 1, sizes), u, sizes)


def simclr_windows(scale: list[float], ratio: list[float], draws: Draws, sizes: Ints) -> Ints:
    """TensorFlow's sample_distorted_bounding_box as SimCLR calls it (simclr:tf2/data_util.py).

    Ratio uniform; then the *height* is uniform among those whose area is within `scale`, which favours small
    windows; then at least a tenth of the image must be covered, else another try. After 100 the whole image.
    Differs: TensorFlow never puts a window that is smaller than the image flush with the bottom or right edge (its
    bound is exclusive); ours may be.
    """

    def one_try(u: Floats, sizes: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        area = sizes.prod(axis=1)
        aspect = ratio[0] + u[:, 1] * (ratio[1] - ratio[0])
        tallest = np.floor((sizes[:, 1] + 0.5 - 1e-7) / aspect)  # the tallest whose rounded width still fits
        highest = np.minimum(np.minimum(np.rint(np.sqrt(scale[1] * area / aspect)), tallest), sizes[:, 0])
        lowest = np.minimum(np.rint(np.sqrt(scale[0] * area / aspect)), highest)
        height = lowest + np.floor(u[:, 0] * (highest - lowest + 1))
        # Rounding may push the area out of bounds by one row.
        height += height * np.rint(height * aspect) < scale[0] * area
        height -= height * np.rint(height * aspect) > scale[1] * area
        shapes = np.stack([height, np.rint(height * aspect)], axis=1).astype(np.int64)
        covered = shapes.prod(axis=1)
        windows = _with_positions(shapes, u, sizes)
        enough = (covered >= max(MIN_OBJECT_COVERED, scale[0]) * area) & (covered <= scale[1] * area)
        return windows, np.logical_and(enough, _inside(windows, sizes))

    whole = np.concatenate([np.zeros_like(sizes), sizes], axis=1)
    return _first_success(one_try, TENSORFLOW_TRIES, draws, sizes, whole)


METHODS: dict[str, Callable[[list[float], list[float], Draws, Ints], Ints]] = {
    "torchvision": torchvision_windows,
    "simclr": simclr_windows,
    "byol": byol_windows,
}


def erased_windows(scale: list[float], draws: Draws, sizes: Ints) -> Ints:
    """Rectangles as torchvision's RandomErasing draws them; height and width 0 where ten tries did not fit."""

    def one_try(u: Floats, sizes: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        windows = _with_positions(_log_uniform_shapes(u, scale, [0.3, 3.3], sizes), u, sizes)
        fits = windows[:, 2:] < sizes
        return windows, np.logical_and(fits[:, 0], fits[:, 1])

    return _first_success(one_try, TORCHVISION_TRIES, draws, sizes, np.zeros((len(sizes), 4), dtype=np.int64), block=1)


def padded_windows(padding: int, draws: Draws, sizes: Ints, size: int) -> Ints:
    """Windows of the view's size in the image padded by `padding`; top and left may be negative."""
    u = draws.uniforms(0)
    room = sizes + 2 * padding - size  # b 2
    corner = np.floor(u[:, 2:] * (room + 1)).astype(np.int64) - padding
    return np.concatenate([corner, np.full_like(corner, size)], axis=1)


def _first_success(
    one_try: Callable[[Floats, Ints], tuple[Ints, NDArray[np.bool_]]],
    tries: int,
    draws: Draws,
    sizes: Ints,
    fallback: Ints,
    block: int = 0,
) -> Ints:
    """Each image's first window that was accepted, else its fallback."""
    windows = fallback.copy()
    rows = np.arange(len(sizes))
    for attempt in range(tries):
        tried, accepted = one_try(draws.uniforms(block + attempt, rows), sizes[rows])
        windows[rows[accepted]] = tried[accepted]
        rows = rows[~accepted]
        if not len(rows):
            break
    return windows


def _log_uniform_shapes(u: Floats, scale: list[float], ratio: list[float], sizes: Ints) -> Ints:
    """(height, width) with uniform area and log-uniform ratio; they may not fit into the image."""
    area = sizes.prod(axis=1) * (scale[0] + u[:, 0] * (scale[1] - scale[0]))
    low, high = np.log(ratio)
    aspect = np.exp(low + u[:, 1] * (high - low))
    shapes: Floats = np.rint(np.sqrt(np.stack([area / aspect, area * aspect], axis=1)))
    return shapes.astype(np.int64)


def _with_positions(shapes: Ints, u: Floats, sizes: Ints) -> Ints:
    """Windows of these shapes at uniform places; u[:, 2:] decides."""
    room = np.maximum(sizes - shapes, 0)
    return np.concatenate([np.floor(u[:, 2:] * (room + 1)).astype(np.int64), shapes], axis=1)


def _inside(windows: Ints, sizes: Ints) -> NDArray[np.bool_]:
    fits = (windows[:, 2:] > 0) & (windows[:, 2:] <= sizes)
    return np.logical_and(fits[:, 0], fits[:, 1])


def _central(ratio: list[float], sizes: Ints) -> Ints:
    height, width = sizes[:, 0], sizes[:, 1]
    tall, wide = width / height < ratio[0], width / height > ratio[1]
    shapes = sizes.copy()
    shapes[tall, 0] = np.rint(width[tall] / ratio[0])
    shapes[wide, 1] = np.rint(height[wide] * ratio[1])
    return np.concatenate([(sizes - shapes) // 2, shapes], axis=1)
