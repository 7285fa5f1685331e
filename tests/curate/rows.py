"""Rows on the sphere, in memory and in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graphssl.curate.vectors import Rows, Vectors


def on_sphere(rows: NDArray[np.floating]) -> Rows:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def clustered(count: int, width: int = 16, centres: int = 20, spread: float = 0.2, seed: int = 0) -> Rows:
    """Rows around centres drawn at random; all rows of a seed are around the same ones."""
    centre = np.random.default_rng(7).standard_normal((centres, width))
    rng = np.random.default_rng(seed)
    return on_sphere(centre[rng.integers(centres, size=count)] + spread * rng.standard_normal((count, width)))


def stored(folder: Path, rows: Rows, parts: int = 2, dtype: type = np.float32) -> Vectors:
    """The rows in so many new files of a folder."""
    before = len([*folder.glob("rows-*.npy")])
    files = [folder / f"rows-{before + part}.npy" for part in range(parts)]
    for file, part in zip(files, np.array_split(rows, parts)):
        np.save(file, part.astype(dtype))
    return Vectors.of(files)
