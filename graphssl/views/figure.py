"""A placed drawing: rectangles, strokes and text in pixels from the top left, as frozen data."""

from __future__ import annotations

from dataclasses import dataclass

from graphssl.views.measure import SMALL, Content, text_width
from graphssl.views.scene import Box, Scene

Path = tuple[tuple[float, ...], ...]
"""A start point, then points of lines (2 numbers) and cubic curves (6 numbers)."""


@dataclass(frozen=True)
class Placed:
    """A box and its rectangle. ports: names of inputs, each with the height it is written at."""

    box: Box
    content: Content
    x: float
    y: float
    width: float
    height: float
    ports: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Stroke:
    """A line that carries the edges with these indices. head: where the arrow points; stop: middle of the bar."""

    path: Path
    kind: str
    edges: tuple[int, ...]
    head: str = ""
    stop: tuple[float, float] | None = None


@dataclass(frozen=True)
class Label:
    """Text at its baseline. anchor: start, middle or end. role: shape, number, lane, title, subtitle, recipe or legend."""

    text: str
    x: float
    y: float
    anchor: str
    role: str
    size: int = SMALL

    @property
    def rectangle(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        width = text_width(self.text, self.size, bold=self.role == "title")
        left = self.x - {"start": 0.0, "middle": width / 2, "end": float(width)}[self.anchor]
        return left, self.y - self.size * 0.8, left + width, self.y + self.size * 0.24


@dataclass(frozen=True)
class Band:
    """The ground of a lane."""

    lane: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Swatch:
    """An entry of the legend: its sign's place; the text is a label."""

    kind: str
    x: float
    y: float


@dataclass(frozen=True)
class Spark:
    """A schedule as a small curve."""

    samples: tuple[float, ...]
    x: float
    y: float
    width: float = 30
    height: float = 10


@dataclass(frozen=True)
class Layout:
    """Everything a renderer draws, in pixels from the top left."""

    scene: Scene
    width: int
    height: int
    boxes: tuple[Placed, ...]
    strokes: tuple[Stroke, ...]
    labels: tuple[Label, ...]
    bands: tuple[Band, ...]
    dots: tuple[tuple[float, float], ...]
    sparks: tuple[Spark, ...]
    swatches: tuple[Swatch, ...]


def moved(path: Path, by: tuple[float, float]) -> Path:
    """The path shifted."""
    return tuple(tuple(value + by[i % 2] for i, value in enumerate(point)) for point in path)
