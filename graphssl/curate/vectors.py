"""Features as rows in files, which need not fit into memory. It neither embeds nor normalises: whoever writes the files does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graphssl.curate.arrays import Array, mapped, write_array
from graphssl.runtime.errors import RunError

Rows = NDArray[np.float32]
"""(m d) of unit length."""

Ids = NDArray[np.int64]

OFF = 1e-3
"""How far a length may be from 1: float16 rounds each number by up to 2^-11 of it."""


@dataclass(frozen=True)
class Vectors:
    """Rows (n d) of unit length, numbered 0, ..., n - 1; a few names of files, however many rows.

    files: .npy of float16 or float32, whose rows follow one another. counts: the rows of each. chosen: an .npy of the numbers (int64)
    of rows that this is a view of; all rows where there is none.
    """

    files: tuple[Path, ...]
    counts: tuple[int, ...]
    width: int
    chosen: Path | None = None

    @classmethod
    def of(cls, files: Sequence[Path]) -> Vectors:
        """All rows of these files. Raises RunError for a file that holds no rows of numbers, or of another width."""
        shapes = [_shape(file) for file in files]
        if len({width for _, width in shapes}) != 1:
            raise RunError(
                f"rows of one width expected, got {sorted({width for _, width in shapes})} in {len(files)} files"
            )
        return cls(tuple(files), tuple(count for count, _ in shapes), shapes[0][1])

    def __len__(self) -> int:
        return sum(self.counts) if self.chosen is None else len(mapped(self.chosen))

    def rows(self, start: int, stop: int) -> Rows:
        """Rows start, ..., stop - 1 (m d)."""
        if self.chosen is not None:
            return self._gathered(mapped(self.chosen)[start:stop])
        found, first = [], 0
        for file, count in zip(self.files, self.counts, strict=True):
            if first < stop and start < first + count:
                found.append(_unit(mapped(file)[max(start - first, 0) : stop - first]))
            first += count
        return np.concatenate(found) if found else np.empty((0, self.width), np.float32)

    def take(self, ids: Ids) -> Rows:
        """The rows with these numbers (m d), in any order and any number of times."""
        return self._gathered(ids if self.chosen is None else mapped(self.chosen)[ids])

    def _gathered(self, numbers: Ids) -> Rows:
        starts = np.cumsum((0, *self.counts))
        within = np.searchsorted(starts, numbers, side="right") - 1
        found = np.empty((len(numbers), self.width), np.float32)
        for index in np.unique(within):
            here = within == index
            found[here] = _unit(mapped(self.files[index])[numbers[here] - starts[index]])
        return found

    def subset(self, ids: Ids, file: Path) -> Vectors:
        """The rows with these numbers as 0, 1, ...: a view, whose numbers of rows are written to `file`."""
        write_array(file, ids if self.chosen is None else mapped(self.chosen)[ids])
        return replace(self, chosen=file)

    def blocks(self, size: int) -> Iterator[tuple[int, Rows]]:
        """All rows, `size` at a time, each block with the number of its first row."""
        for start in range(0, len(self), size):
            yield start, self.rows(start, start + size)

    def require_unit(self, size: int = 65536) -> None:
        """Raises RunError for the first row that is not finite or not of unit length."""
        for file in self.files:
            rows = mapped(file)
            for start in range(0, len(rows), size):
                lengths = np.sqrt(np.square(rows[start : start + size].astype(np.float32)).sum(axis=1))
                bad = np.flatnonzero(~(np.abs(lengths - 1) <= OFF))
                if len(bad):
                    raise RunError(
                        f"row {start + bad[0]} of `{file}` has length {lengths[bad[0]]:.4g}, not 1: embed these images again"
                    )


def _shape(file: Path) -> tuple[int, int]:
    rows = mapped(file)
    if rows.ndim != 2 or rows.dtype not in (np.float16, np.float32):
        raise RunError(f"`{file}` holds {rows.dtype} {rows.shape}, not rows (n d) of float16 or float32")
    return rows.shape[0], rows.shape[1]


def _unit(rows: Array) -> Rows:
    """As float32; what float16 took from the length is given back, so that an exact copy has similarity 1."""
    if rows.dtype == np.float32:
        return rows
    found = rows.astype(np.float32)
    found /= np.sqrt(np.einsum("md,md->m", found, found))[:, None]
    return found
