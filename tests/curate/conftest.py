"""Rows on the sphere, and units of work that can be pickled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from graphssl.curate.vectors import Rows, Vectors


def on_sphere(rows: NDArray[np.floating]) -> Rows:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def clustered(count: int, width: int = 16, centres: int = 20, spread: float = 0.2, seed: int = 0) -> Rows:
    """Rows around centres drawn at random; all rows of a seed are around the same ones."""
    centre = np.random.default_rng(7).standard_normal((centres, width))
    rng = np.random.default_rng(seed)
    return on_sphere(centre[rng.integers(centres, size=count)] + spread * rng.standard_normal((count, width)))


@pytest.fixture
def stored(tmp_path: Path) -> Callable[..., Vectors]:
    """`stored(rows, parts=2)`: the rows in so many files."""
    made: list[Path] = []

    def store(rows: Rows, parts: int = 2, dtype: type = np.float32) -> Vectors:
        files = [tmp_path / f"rows-{len(made) + part}.npy" for part in range(parts)]
        for file, part in zip(files, np.array_split(rows, parts)):
            np.save(file, part.astype(dtype))
        made.extend(files)
        return Vectors.of(files)

    return store


@dataclass(frozen=True)
class Square:
    """A unit whose result is the square of a number."""

    file: Path
    number: int


def squares(folder: Path, numbers: Sequence[int]) -> list[Square]:
    return [Square(folder / f"square-{number}", number) for number in numbers]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, those in progress too."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}
