"""Who could be a near neighbour: Faiss over blocks of rows, or over shards of an inverted file.

What comes out are candidates. Their similarities are Faiss's (float32, or of quantised codes) and go no further: `search.py` computes
them again. Faiss has one thread in each unit, because how many share a matrix product changes its last bits; more processors are used
by more workers. Faiss and torch each bring an OpenMP library; on Linux both compute in one process, whichever is imported first. Every pair is
compared on a GPU where Faiss finds one, which is not tested.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import faiss
import numpy as np
from numpy.typing import NDArray

from graphssl.curate.arrays import damaged, written
from graphssl.curate.engine import Engine
from graphssl.curate.vectors import Ids, Rows, Vectors
from graphssl.data.philox import key_of, uniforms
from graphssl.plainfile import state_of
from graphssl.runtime.errors import RunError

ROWS = 65536
"""Rows of the base that are compared, or added to a shard, at a time."""

SHARD, FOR_EACH_LIST = 2**20, 64
"""Rows of one index file; so many for each list where that is more, because every file holds all centroids."""

TRAINED_ON = 40
"""Rows that each list, and each of the 256 values of a byte of code, is trained on; Faiss warns below 39."""


class Index(Protocol):
    """Finds candidates."""

    def candidates(self, queries: Rows, count: int) -> Ids:
        """(m count) numbers of rows of the base, -1 where there are fewer; in no order."""


@dataclass(frozen=True)
class Flat:
    """Compares with every row of the base."""

    base: Vectors

    def candidates(self, queries: Rows, count: int) -> Ids:
        """See `Index`."""
        best = Best(len(queries), count)
        with one_thread():
            for start, rows in self.base.blocks(ROWS):
                similarity, ids = knn(queries, rows, min(count, len(rows)))
                best.add(ids + start, similarity)
        return best.ids


@dataclass(frozen=True)
class Inverted:
    """Compares with the rows of the nearest `probes` lists; each index file holds `rows` rows of the base, the last the rest."""

    shards: tuple[Path, ...]
    rows: int
    probes: int

    def candidates(self, queries: Rows, count: int) -> Ids:
        """See `Index`."""
        best = Best(len(queries), count)
        with one_thread():
            nearest, lists = _opened(self.shards[0]).quantizer.search(queries, self.probes)
            for number, shard in enumerate(self.shards):
                index = _opened(shard)
                index.nprobe = self.probes
                similarity, ids = index.search_preassigned(queries, count, lists, nearest)
                best.add(np.where(ids < 0, ids, ids + number * self.rows), similarity)
        return best.ids


class Best:
    """The `count` best of what was added for each of m queries; equal ones by number."""

    def __init__(self, queries: int, count: int) -> None:
        self.ids = np.empty((queries, 0), np.int64)
        self.similarity = np.empty((queries, 0), np.float32)
        self._count = count

    def add(self, ids: Ids, similarity: NDArray[np.float32]) -> None:
        """(m c) of each; number -1 is none."""
        self.ids = np.concatenate([self.ids, ids], axis=1)
        self.similarity = np.concatenate([self.similarity, np.where(ids < 0, -np.inf, similarity)], axis=1)
        self.ids, self.similarity = ordered(self.ids, self.similarity, self._count)


def ordered(ids: Ids, similarity: NDArray[np.float32], count: int) -> tuple[Ids, NDArray[np.float32]]:
    """The `count` most similar of each row, the most similar first, equal ones by number."""
    order = np.lexsort((ids, -similarity))[:, :count]
    return np.take_along_axis(ids, order, axis=1), np.take_along_axis(similarity, order, axis=1)


@dataclass(frozen=True)
class Shard:
    """Rows start, ..., stop - 1 of the base in an index file; the trained index without rows where there are none."""

    file: Path
    start: int = 0
    stop: int = 0


@dataclass(frozen=True)
class Recipe:
    """How an inverted file is made; its work on a `Shard` is to write it.

    lists: cells of the coarse quantiser. code_bytes: of each row, 0 for the row itself.
    """

    base: Vectors
    trained: Path
    lists: int
    code_bytes: int
    seed: int

    @property
    def centroids(self) -> int:
        """Rows that training needs at least."""
        return max(self.lists, 256 if self.code_bytes else 1)

    def train(self, unit: Shard) -> None:
        """k-means of a seeded sample, spherical as for any inner product, and the product quantiser of what is left."""
        how = f"IVF{self.lists},{f'PQ{self.code_bytes}' if self.code_bytes else 'Flat'}"
        index: Any = faiss.index_factory(self.base.width, how, faiss.METRIC_INNER_PRODUCT)
        index.cp.seed = key_of("index", self.seed)[0] >> 1  # Faiss takes 31 bits
        index.cp.min_points_per_centroid = 1  # a small base has short lists, and no warning
        if self.code_bytes:
            index.do_polysemous_training = False  # half a minute, for a search by Hamming distance that is not used
            index.pq.cp.min_points_per_centroid = 1
        with one_thread():
            index.train(self.base.take(sample(self.seed, len(self.base), TRAINED_ON * self.centroids)))
        _write(index, unit.file)

    def fill(self, unit: Shard) -> None:
        """Add the rows of a shard to the trained index."""
        index = faiss.read_index(str(self.trained))
        with one_thread():
            for start in range(unit.start, unit.stop, ROWS):
                index.add(self.base.rows(start, min(start + ROWS, unit.stop)))
        _write(index, unit.file)


def inverted(engine: Engine, folder: Path, recipe: Recipe, probes: int) -> Inverted:
    """The index files of a base, in `folder`. Raises RunError where it is too small."""
    if len(recipe.base) < recipe.centroids:
        raise RunError(
            f"an inverted file of {recipe.lists} lists needs {recipe.centroids} images at least, got {len(recipe.base)}: use `index: flat`"
        )
    rows = max(SHARD, FOR_EACH_LIST * recipe.lists)
    starts = range(0, len(recipe.base), rows)
    shards = [
        Shard(folder / f"shard-{number:05d}.index", start, min(start + rows, len(recipe.base)))
        for number, start in enumerate(starts)
    ]
    engine.run(recipe.train, [Shard(recipe.trained)], "training the index")
    engine.run(recipe.fill, shards, "building the index")
    return Inverted(tuple(shard.file for shard in shards), rows, min(probes, recipe.lists))


def sample(seed: int, rows: int, count: int) -> Ids:
    """`count` of `rows` numbers in ascending order, one drawn from each of as many equal stretches; all where there are no more."""
    if count >= rows:
        return np.arange(rows)
    drawn = uniforms(key_of("sample", seed), (0, 0), count)
    return ((np.arange(count) + drawn) * (rows / count)).astype(np.int64)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let Faiss compute with one thread within `with`."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def knn(queries: Rows, rows: Rows, count: int) -> tuple[NDArray[np.float32], Ids]:
    """The `count` most similar rows to each query by comparing all: similarity and number (m count)."""
    if faiss.get_num_gpus():
        resources = faiss.StandardGpuResources()
        return faiss.knn_gpu(resources, queries, rows, count, metric=faiss.METRIC_INNER_PRODUCT)  # type: ignore[no-any-return]
    return faiss.knn(queries, rows, count, metric=faiss.METRIC_INNER_PRODUCT)  # type: ignore[no-any-return]


def _write(index: Any, file: Path) -> None:
    """Through a file of Python: Faiss's own does not see that the last bytes found no room."""

    def write(temporary: Path) -> None:
        with temporary.open("wb") as opened:
            faiss.write_index(index, faiss.PyCallbackIOWriter(opened.write))  # type: ignore[attr-defined]

    written(file, write)


def _opened(file: Path) -> Any:
    """An index file, memory-mapped, so that the processes of a machine share it; a file that was replaced is opened anew."""
    return _mapped(file, state_of(file))


@lru_cache(maxsize=4096)
def _mapped(file: Path, state: str) -> Any:
    try:
        return faiss.read_index(str(file), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
    except RuntimeError as error:
        raise damaged(file, error) from None
