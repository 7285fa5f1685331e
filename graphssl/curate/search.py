"""The k nearest neighbours of rows: candidates by Faiss, similarities exact. What is near enough is decided elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from graphssl.curate.arrays import read_arrays, write_arrays
from graphssl.curate.engine import Block, Engine, blocks_of, missing
from graphssl.curate.index import Flat, Index, Recipe, inverted, ordered
from graphssl.curate.vectors import Ids, Rows, Vectors
from graphssl.runtime.errors import RunError

Kind = Literal["auto", "flat", "ivf_flat", "ivf_pq"]

Similarities = NDArray[np.float32]

QUERIES = 4096
"""Queries of one unit of work."""

FLAT_PAIRS = 4 * 10**10
"""`auto` compares every pair up to here."""

SPARE = 16
"""Candidates beyond k of a flat search: they settle whom float32 cannot tell from the k-th."""

CANDIDATES = 144
"""Of an inverted file, at least: a few more cost less than to search longer."""

GATHERED = 2**23
"""Numbers of candidates that are in memory at a time when similarities are computed."""


@dataclass(frozen=True)
class Neighbours:
    """The k nearest rows of a base to each query, in files; iterating gives (start, ids, similarity), a block of queries at a time.

    start: the number of the block's first query. ids: (m k) int64, the nearest first, equal ones by number; -1 where there are fewer.
    similarity: (m k) float32, the cosine; -inf where there is none.
    """

    blocks: tuple[Block, ...]
    k: int

    def __iter__(self) -> Iterator[tuple[int, Ids, Similarities]]:
        for block in self.blocks:
            found = read_arrays(block.file)
            yield block.start, found["ids"], found["similarity"]

    def __len__(self) -> int:
        return self.blocks[-1].stop if self.blocks else 0


def nearest(
    engine: Engine,
    folder: Path,
    base: Vectors,
    queries: Vectors,
    k: int,
    *,
    index: Kind = "auto",
    lists: int | None = None,
    probes: int | None = None,
    code_bytes: int | None = None,
    candidates: int | None = None,
    seed: int = 0,
) -> Neighbours:
    """The k nearest rows of `base` to each of `queries`, by cosine; a row is not its own neighbour where base is queries.

    `flat` compares every pair. The others compare with the lists of an inverted file (Jégou et al. 2011, "Product quantization for
    nearest neighbor search") that are nearest to a query; `ivf_pq` on codes of a few bytes, which only say who is a candidate. The
    similarity of each candidate is a dot product in float64 of the rows themselves, rounded to float32: thresholds act on it, and it
    does not depend on the index, its shards, or what else is in memory.

    The same arguments give the same bytes with any engine and number of workers. Files of an earlier call in `folder` are used again, so
    that a folder is for one set of arguments.

    Memory of a worker for rows of d float32, c candidates and b = 4096 queries: 4 d (65536 + b) + 28 b (k + c) bytes, 32 MB of candidates'
    rows and some 20 MB of Faiss. An index maps its files into memory beside that: n (code bytes + 8), with 4 d for the code bytes of
    `ivf_flat`, and 4 d lists for each file of 2^20 rows, or of 64 lists where that is more.

    Args:
        folder: for the files of neighbours and of the index.
        index: `auto` is `flat` up to 4·10^10 pairs and `ivf_pq` above.
        lists: of the inverted file; about 4 √n, a power of two, where it is not given. probes: lists that are compared, 32.
        code_bytes: of each row in `ivf_pq`, a divisor of d; the largest up to d / 8. candidates: whose similarity is computed; 2 k + 16, or 144 if that is more.
        seed: of the rows that the index is trained on.

    Raises:
        RunError: the base is empty, or the widths differ.
    """
    _require_comparable(base, queries)
    blocks = blocks_of(folder, "neighbours", len(queries), QUERIES)
    found = Neighbours(blocks, k)
    if not missing(blocks):
        return found
    spare = k + SPARE
    where: Index = Flat(base)
    if index not in ("flat", "auto") or (index == "auto" and len(base) * len(queries) > FLAT_PAIRS):
        lists = lists or _lists(len(base))
        code_bytes = 0 if index == "ivf_flat" else code_bytes or _code_bytes(base.width)
        recipe = Recipe(base, folder / "trained.index", lists, code_bytes, seed)
        where = inverted(engine, folder, recipe, probes or 32)
        spare = candidates or max(2 * k + SPARE, CANDIDATES)
    engine.run(Search(base, queries, k, where, spare).block, blocks, "searching neighbours")
    return found


@dataclass(frozen=True)
class Search:
    """What is done with a block of queries; see `nearest`."""

    base: Vectors
    queries: Vectors
    k: int
    index: Index
    candidates: int

    def block(self, unit: Block) -> None:
        """Write the neighbours of a block."""
        rows = self.queries.rows(unit.start, unit.stop)
        own = np.arange(unit.start, unit.stop) if self.base == self.queries else np.full(len(rows), -1)
        ids = self.index.candidates(rows, min(self.candidates, len(self.base)))
        ids = np.where(ids == own[:, None], -1, ids)
        ids, similarity = ordered(ids, similarities(rows, self.base, ids), self.k)
        if (short := self.k - ids.shape[1]) > 0:
            ids = np.pad(ids, ((0, 0), (0, short)), constant_values=-1)
            similarity = np.pad(similarity, ((0, 0), (0, short)), constant_values=-np.inf)
        write_arrays(unit.file, ids=ids, similarity=similarity)


def similarities(queries: Rows, base: Vectors, ids: Ids) -> Similarities:
    """The cosine of each of m queries with its candidates (m c), -inf where the number is -1.

    Each is the dot product of two rows in float64, rounded to float32; not a matrix product, whose last bits depend on its size.
    """
    found = np.empty(ids.shape, np.float32)
    step = max(1, GATHERED // max(1, ids.shape[1] * base.width))
    for start in range(0, len(ids), step):
        part = ids[start : start + step]
        rows = base.take(np.maximum(part, 0).reshape(-1)).reshape(*part.shape, base.width)
        found[start : start + step] = np.einsum("md,mcd->mc", queries[start : start + step], rows, dtype=np.float64)
    return np.where(ids < 0, np.float32(-np.inf), found)


def _require_comparable(base: Vectors, queries: Vectors) -> None:
    if not len(base):
        raise RunError("there are no images to search in")
    if base.width != queries.width:
        raise RunError(
            f"features of {queries.width} numbers cannot be compared with features of {base.width}: use one encoder"
        )


def _lists(rows: int) -> int:
    return int(2 ** round(np.log2(max(1.0, 4 * np.sqrt(rows)))))


def _code_bytes(width: int) -> int:
    return max(size for size in range(1, max(2, width // 8 + 1)) if width % size == 0)
