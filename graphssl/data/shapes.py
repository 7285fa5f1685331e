"""`shapes`: a small labelled data set that is drawn, not downloaded.

Ten kinds of shape, four of one kind per image, that differ in outline only. Everything else is nuisance: colours,
places, sizes, rotations, the background's gradient, blotches and noise. Comparing pixels therefore says little about
the class, while any crop that self-supervised methods take still shows outlines of the class. `shapes_single` has one
shape per image, anywhere. Which pixels belong to a shape, and the box around each, is known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from graphssl.data.errors import DataError
from graphssl.data.philox import key_of, uniforms

SIZE = 32
COUNT = 8000
_OVERSAMPLE = 4  # shapes are drawn this many times as large, then averaged down
_NOISE = 0.03
_QUARTERS = ((0.25, 0.25), (0.25, 0.75), (0.75, 0.25), (0.75, 0.75))
_MIN_CONTRAST = 0.5  # between the luminance of the shape and of the background around it

Floats = NDArray[np.float64]
Polygon = list[tuple[float, float]]
Figure = list[Polygon]
"""A shape in pixels: its outline, and the hole in it, if any."""

Scene = tuple[Floats, list[Figure], Iterator[float]]
"""The background, the shapes before it, and the random numbers that are left."""


def _turned(points: Polygon, angle: float) -> Polygon:
    cos, sin = math.cos(angle), math.sin(angle)
    return [(x * cos - y * sin, x * sin + y * cos) for x, y in points]


def _regular(corners: int) -> Polygon:
    return [(math.sin(t), -math.cos(t)) for t in (2 * math.pi * i / corners for i in range(corners))]


def _star() -> Polygon:
    radii = (1.0, 0.42)
    turns = (math.pi * i / 5 for i in range(10))
    return [(radii[i % 2] * math.sin(t), -radii[i % 2] * math.cos(t)) for i, t in enumerate(turns)]


def _heart() -> Polygon:
    turns = (2 * math.pi * i / 40 for i in range(40))
    curve = [
        (16 * math.sin(t) ** 3, -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)))
        for t in turns
    ]
    return [(x / 17, (y - 2.5) / 17) for x, y in curve]


def _moon() -> Polygon:
    """A crescent: an arc of the unit circle, and back along a shallower one."""
    outer = [(math.cos(t), math.sin(t)) for t in np.linspace(math.radians(60), math.radians(300), 30)]
    start, reach = outer[0], 0.95
    middle, radius = reach, math.hypot(start[0] - reach, start[1])
    edge = math.atan2(start[1], start[0] - middle)
    inner = [(middle + radius * math.cos(t), radius * math.sin(t)) for t in np.linspace(2 * math.pi - edge, edge, 20)]
    return [(x + 0.2, y) for x, y in outer + inner]


_CROSS: Polygon = [
    (-0.3, -1), (0.3, -1), (0.3, -0.3), (1, -0.3), (1, 0.3), (0.3, 0.3),
    (0.3, 1), (-0.3, 1), (-0.3, 0.3), (-1, 0.3), (-1, -0.3), (-0.3, -0.3),
]  # fmt: skip
_ARROW: Polygon = [(1, 0), (0.1, -0.8), (0.1, -0.28), (-1, -0.28), (-1, 0.28), (0.1, 0.28), (0.1, 0.8)]
_HOURGLASS: Polygon = [(-0.75, -0.9), (0.75, -0.9), (0.12, 0), (0.75, 0.9), (-0.75, 0.9), (-0.12, 0)]

# name -> outline within (about) the unit circle; the ring also has a hole
OUTLINES: dict[str, Polygon] = {
    "arrow": _ARROW,
    "circle": [(0.92 * x, 0.92 * y) for x, y in _regular(48)],
    "cross": _CROSS,
    "heart": _heart(),
    "hourglass": _HOURGLASS,
    "moon": _moon(),
    "ring": _regular(48),
    "square": [(1.08 * x, 1.08 * y) for x, y in _regular(4)],
    "star": _star(),
    "triangle": _regular(3),
}
_HOLE = [(0.55 * x, 0.55 * y) for x, y in _regular(48)]


class ShapesSource:
    """Drawn shapes; image i is a pure function of (seed, split, size, i), and its class is i modulo ten.

    Args:
        name: `shapes` or `shapes:SIZE,COUNT`: side in pixels, and training images; the test has a quarter as many.
            `shapes_single` likewise, with one shape per image.
        split: "train" or "test".
        seed: chooses another set of images.
    """

    classes = tuple(OUTLINES)
    map_classes = ("background", *OUTLINES)

    def __init__(self, name: str, split: str, seed: int) -> None:
        self.name = name
        kind, self._size, count = _parse(name)
        self._layout = LAYOUTS[kind]
        self._count = count if split == "train" else max(count // 4, 1)
        self._split = split
        self._key = key_of(kind, seed, split)

    def __len__(self) -> int:
        return self._count

    def label(self, index: int) -> int:
        return index % len(self.classes)

    def describe(self, index: int) -> str:
        return f"{self.name}/{self._split}/{index:05d} ({self.classes[self.label(index)]})"

    def identity(self) -> Iterator[str]:
        yield f"shapes {self._size} {self._count} {self._key}"  # which the layout is part of

    def load(self, index: int) -> Tensor:
        """The image as uint8 [3 SIZE SIZE]."""
        if not 0 <= index < self._count:
            raise IndexError(index)
        return torch.from_numpy(_draw(self._key, index, *self._scene(index)))

    def label_map(self, index: int) -> Tensor:
        """The class of each pixel as uint8 [SIZE SIZE], a number in `map_classes`: a shape's where it covers most of the pixel."""
        _, figures, _ = self._scene(index)
        covered = torch.from_numpy(_mask(figures, self._size)) > 0.5
        return covered * torch.tensor(1 + self.label(index), dtype=torch.uint8)

    def boxes(self, index: int) -> Tensor:
        """The box around each shape, float32 [n 4]: left, top, right, bottom in pixels."""
        _, figures, _ = self._scene(index)
        corners = [np.array(figure[0]) for figure in figures]
        boxes = np.array([[*points.min(axis=0), *points.max(axis=0)] for points in corners])
        return torch.from_numpy(boxes.clip(0, self._size).astype(np.float32))

    def _scene(self, index: int) -> Scene:
        u = iter(uniforms(self._key, (index, 0), 64).tolist())
        background = _background(u, self._size)
        return background, self._layout(self.classes[self.label(index)], u, self._size), u


def _draw(
    key: tuple[int, int], index: int, background: Floats, figures: list[Figure], u: Iterator[float]
) -> NDArray[np.uint8]:
    """One image, [3 size size]."""
    size = background.shape[-1]
    noise = uniforms(key, (index, 1), 3 * size * size).reshape(3, size, size)
    mask = _mask(figures, size)
    colour = _colour(u)
    colour = _contrasting(colour, (background * (1 - mask)).sum(axis=(1, 2)) / max((1 - mask).sum(), 1.0))
    shade = 1 + 0.15 * (next(u) - 0.5) * _ramp(2 * math.pi * next(u), size)
    image = background * (1 - mask) + colour[:, None, None] * shade * mask
    image += _NOISE * (noise - 0.5) * 2
    pixels: NDArray[np.uint8] = (image.clip(0, 1) * 255).round().astype(np.uint8)
    return pixels


def _mask(figures: list[Figure], size: int) -> Floats:
    """How much of each pixel the shapes cover, [size size]."""
    canvas = Image.new("L", (size * _OVERSAMPLE, size * _OVERSAMPLE))
    pen = ImageDraw.Draw(canvas)
    for figure in figures:
        for points, ink in zip(figure, (255, 0), strict=False):
            pen.polygon([(_OVERSAMPLE * x, _OVERSAMPLE * y) for x, y in points], ink)
    return np.asarray(canvas.reduce(_OVERSAMPLE), dtype=np.float64) / 255


def _four(shape: str, u: Iterator[float], size: int) -> list[Figure]:
    """One in each quarter, each turned by an angle of its own."""
    usual = size * (0.40 + 0.10 * next(u))
    shift = [0.2 * next(u) - 0.1 for _ in range(2)]
    figures = []
    for quarter in _QUARTERS:
        width = usual * (0.9 + 0.2 * next(u))
        middle = [size * (q + s + 0.12 * (next(u) - 0.5)) for q, s in zip(quarter, shift, strict=True)]
        figures.append(_placed(shape, middle, width, 2 * math.pi * next(u)))
    return figures


def _single(shape: str, u: Iterator[float], size: int) -> list[Figure]:
    """One, all of it in the image."""
    width = size * (0.35 + 0.25 * next(u))
    reach = width / 2 * max(math.hypot(x, y) for x, y in OUTLINES[shape])
    middle = [reach + (size - 2 * reach) * next(u) for _ in range(2)]
    return [_placed(shape, middle, width, 2 * math.pi * next(u))]


LAYOUTS: dict[str, Callable[[str, Iterator[float], int], list[Figure]]] = {"shapes": _four, "shapes_single": _single}


def _placed(shape: str, middle: list[float], width: float, angle: float) -> Figure:
    outlines = [OUTLINES[shape], *([_HOLE] if shape == "ring" else [])]
    x, y = middle
    return [[(x + px * width / 2, y + py * width / 2) for px, py in _turned(outline, angle)] for outline in outlines]


def _background(u: Iterator[float], size: int) -> Floats:
    """A gradient between two colours with some soft blotches, [3 size size]."""
    first = _colour(u)
    second = first + 0.3 * (np.array([next(u), next(u), next(u)]) - 0.5)
    share = 0.5 + 0.5 * _ramp(2 * math.pi * next(u), size)
    image = first[:, None, None] * (1 - share) + second[:, None, None] * share
    return image + 0.06 * next(u) * _blotches(u, size)


def _blotches(u: Iterator[float], size: int) -> Floats:
    grid = np.array([next(u) for _ in range(16)]).reshape(4, 4) * 2 - 1
    smooth = Image.fromarray(grid.astype(np.float32)).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(smooth, dtype=np.float64)


def _ramp(angle: float, size: int) -> Floats:
    """From -1 to 1 across the image in a direction, [size size]."""
    steps = (np.arange(size) + 0.5) / size * 2 - 1
    ramp = math.cos(angle) * steps[None, :] + math.sin(angle) * steps[:, None]
    return ramp / (abs(math.cos(angle)) + abs(math.sin(angle)))


def _colour(u: Iterator[float]) -> Floats:
    return np.array([next(u), next(u), next(u)]) * 0.9 + 0.05


def _contrasting(colour: Floats, other: Floats) -> Floats:
    """The colour, made lighter or darker until its luminance is far enough from the other's."""
    weights = np.array([0.299, 0.587, 0.114])
    here, there = float(weights @ colour), float(weights @ other)
    if abs(here - there) >= _MIN_CONTRAST:
        return colour
    lighter = here >= there if _MIN_CONTRAST <= there <= 1 - _MIN_CONTRAST else there < 0.5
    return colour + (there + _MIN_CONTRAST - here if lighter else there - _MIN_CONTRAST - here)


def _parse(name: str) -> tuple[str, int, int]:
    kind, colon, rest = name.partition(":")
    numbers = rest.split(",") if colon else []
    if colon and (len(numbers) > 2 or not all(number.strip().isdecimal() for number in numbers)):
        raise DataError(
            f"`{name}` is not understood; write `{kind}` or `{kind}:SIZE,COUNT`, for example `{kind}:64,2000`"
        )
    size, count = [int(number) for number in numbers] + [SIZE, COUNT][len(numbers) :]
    if not (8 <= size <= 1024 and 10 <= count <= 10_000_000):
        raise DataError(f"`{name}` is out of range; SIZE is 8 to 1024 pixels and COUNT 10 to 10000000 images")
    return kind, size, count
