"""Features of the images of a curation as rows of unit length, in files that a killed run leaves whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.nn import functional

from graphssl.curate.catalogue import Listing
from graphssl.curate.vectors import Vectors
from graphssl.evaluate.embedding import Numbered, Shard, shard_size
from graphssl.evaluate.frozen import FrozenRun


@dataclass(frozen=True)
class Part(Shard):
    """Consecutive images of a listing."""

    @property
    def file(self) -> Path:
        return self.features


@dataclass(frozen=True)
class Encoder:
    """A run whose features are compared: what it takes to load it, in any process."""

    run: str
    device: str | None = None
    workers: int = 0
    plugins: tuple[str, ...] = ()

    @property
    def loaded(self) -> FrozenRun:
        return _loaded(self)

    @property
    def key(self) -> dict[str, Any]:
        """What rows depend on beside their images, but for rounding: another machine may go on with what one has begun."""
        found = self.loaded.settings
        return {name: value for name, value in found.items() if name not in ("device", "precision", "versions")}


@cache
def _loaded(encoder: Encoder) -> FrozenRun:
    return FrozenRun(encoder.run, device=encoder.device, workers=encoder.workers, plugins=encoder.plugins, cache=False)


def parts_of(listing: Listing, folder: Path) -> list[Part]:
    """The shards of a listing: their borders depend on the number of images alone."""
    size, count = shard_size(len(listing)), len(listing)
    starts = range(0, count, size)
    return [Part(folder, number, "", start, min(start + size, count)) for number, start in enumerate(starts)]


@dataclass(frozen=True)
class Embed:
    """Writes the rows of a part, of the images that can be decoded."""

    encoder: Encoder
    listing: Listing

    def __call__(self, part: Part, advance: Callable[[int], None] | None = None) -> None:
        numbers = list(range(part.start, part.stop))
        features, images = self.encoder.loaded.extract(Numbered(self.listing.source), numbers, advance)
        rows = functional.normalize(features, dim=1) if len(features) else features
        part.write(rows.half(), images)  # 2 bytes a number; whoever reads them gives the length back


@dataclass(frozen=True)
class Embedded:
    """The rows of a listing.

    numbers: (n) of the images that could be decoded, ascending; row i is that of numbers[i].
    """

    files: tuple[Path, ...]
    numbers: NDArray[np.int64]

    @classmethod
    def of(cls, parts: Sequence[Part]) -> Embedded:
        """Raises RunError where a file is damaged."""
        numbers = [part.read()[1] for part in parts]
        files = tuple(part.features for part, images in zip(parts, numbers, strict=True) if len(images))
        return cls(files, np.concatenate(numbers))

    def rows(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Which rows belong to these images."""
        return np.searchsorted(self.numbers, numbers)


def joined(embedded: Sequence[Embedded], numbers: Sequence[NDArray[np.int64]], file: Path) -> Vectors:
    """The rows of these images of each listing, one listing after another; which ones is written to `file`."""
    starts = np.cumsum([0, *(len(one.numbers) for one in embedded)])
    rows = [one.rows(chosen) + start for one, chosen, start in zip(embedded, numbers, starts, strict=False)]
    vectors = Vectors.of([file for one in embedded for file in one.files])
    return vectors.subset(np.concatenate(rows), file)
