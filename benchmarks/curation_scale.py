"""What deduplication and retrieval cost for n made-up images: `python -m benchmarks.curation_scale N [--width 128] [--workers 2] [--index auto]`.

Rows lie around n / 100 centres on the sphere (cosine of neighbours 0.3); one in twenty is a copy of another row (0.95). The pool is
deduplicated (64 neighbours, above 0.6), what is left is searched by n / 100 queries (4 neighbours), and clustered (√n clusters). A row for
each step: seconds by the clock, seconds of processors, which other work on the machine lengthens less, and the largest process until then.
Recall is against every pair, for 1000 rows drawn at random.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

import numpy as np

from graphssl.curate.copies import copies
from graphssl.curate.engine import Engine, Local, U
from graphssl.curate.index import Recipe, inverted, knn, one_thread
from graphssl.curate.retrieval import retrieve_clusters, retrieve_samples
from graphssl.curate.search import Kind, Neighbours, Similarities, nearest, similarities
from graphssl.curate.vectors import Ids, Rows, Vectors

BLOCK = 100_000
CLUSTERED, COPIED = 0.3, 0.95
"""Cosine of two rows of one cluster, and of a row and its copy."""


@dataclass
class Clock:
    """An engine that tells what each of its steps cost."""

    engine: Engine
    rows: list[tuple[str, float, float, float]] = field(default_factory=list)

    def run(self, work: Callable[[U], None], units: Sequence[U], what: str) -> None:
        with self.timed(f"{what} ({len(units)} units)"):
            self.engine.run(work, units, what)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        began, used = time.perf_counter(), _processor_seconds()
        yield
        spent = time.perf_counter() - began, _processor_seconds() - used
        self.rows.append((what, *spent, _largest_process()))
        print(f"| {what} | {spent[0]:.1f} | {spent[1]:.1f} | {_largest_process():.2f} |", flush=True)


def _processor_seconds() -> float:
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def _largest_process() -> float:
    """GiB, mapped files that are in memory included."""
    return max(
        resource.getrusage(whose).ru_maxrss / 2**20 for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )


def _around(rows: Rows, share: float, rng: np.random.Generator) -> Rows:
    """Rows of unit length of whose squared length about this share is the given row's."""
    noise = rng.standard_normal(rows.shape, dtype=np.float32) / np.float32(np.sqrt(rows.shape[1]))
    made = np.float32(np.sqrt(share)) * rows + np.float32(np.sqrt(1 - share)) * noise
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True))


def made(folder: Path, name: str, rows: int, centres: Rows, seed: int) -> tuple[Vectors, Ids]:
    """Rows in float16 files, and the rows that are copies, each of the row before it."""
    rng = np.random.default_rng(seed)
    files, copied = [], []
    for start in range(0, rows, BLOCK):
        count = min(BLOCK, rows - start)
        block = _around(centres[rng.integers(len(centres), size=count)], CLUSTERED, rng)
        copy = np.flatnonzero(rng.random(count // 2) < 0.1) * 2 + 1
        block[copy] = _around(block[copy - 1], COPIED**2, rng)
        files.append(folder / f"{name}-{start}.npy")
        np.save(files[-1], block.astype(np.float16))
        copied.append(copy + start)
    return Vectors.of(files), np.concatenate(copied)


def picked(found: Neighbours, queries: Ids) -> tuple[Ids, Similarities]:
    """Neighbours (m k) and similarities of some queries, in ascending order."""
    parts = []
    for start, ids, similarity in found:
        here = queries[(queries >= start) & (queries < start + len(ids))] - start
        parts.append((ids[here], similarity[here]))
    ids, similarity = (np.concatenate(column) for column in zip(*parts))
    return ids, similarity


def recall(found: Ids, true: Ids) -> float:
    """The share of true neighbours, -1 left out, that are among those found."""
    wanted = [{*row[row >= 0].tolist()} for row in true]
    return sum(len(want & {*row.tolist()}) for want, row in zip(wanted, found)) / max(1, sum(map(len, wanted)))


def measure(rows: int, width: int, workers: int, index: Kind, folder: Path) -> None:
    """Print the table for so many rows."""
    centres = _centres(rows, width)
    pool, planted = made(folder, "pool", rows, centres, 1)
    queries, _ = made(folder, "queries", max(rows // 100, 100), centres, 2)
    print(f"\n{rows:,} rows of {width}, float16; `{index}`, {workers} workers; load {os.getloadavg()[0]:.1f}\n")
    print("| step | seconds | processor seconds | largest process, GiB |\n|---|---|---|---|", flush=True)
    clock = Clock(Local(workers))
    near = nearest(clock, folder / "self", pool, pool, 64, index=index)
    with clock.timed("components"):
        found = copies(near, 0.6)
    kept = pool.subset(found.kept, folder / "kept.npy")
    like = nearest(clock, folder / "like", kept, queries, 4)
    with clock.timed("union of samples"):
        samples = retrieve_samples(like)
    retrieve_clusters(clock, folder / "clusters", kept, queries, int(np.sqrt(rows)))
    drawn = np.sort(np.random.default_rng(3).choice(rows, 1000, replace=False))
    true, close = exactly(pool, pool.subset(drawn, folder / "drawn.npy"), 65, folder / "exact-self")
    true = np.where(true == drawn[:, None], -1, true)  # a row is in its own base
    ids, _ = picked(near, drawn)
    asked = np.arange(min(len(queries), 1000))
    true_like, _ = exactly(kept, queries.subset(asked, folder / "asked.npy"), 4, folder / "exact-like")
    print(f"""
copies: {len(planted):,} planted, {len(found.dropped):,} dropped, {len(np.intersect1d(planted, found.dropped)):,} of them planted
recall: {recall(ids, np.where(close > 0.6, true, -1)):.4f} of neighbours above 0.6, {recall(ids, _first(true, 1)):.4f} of the nearest,
    {recall(ids, _first(true, 4)):.4f} of the 4 nearest, {recall(ids, _first(true, 64)):.4f} of the 64 nearest;
    {recall(picked(like, asked)[0], true_like):.4f} of the 4 nearest to a query; {len(samples.rows):,} images retrieved
bytes: {_bytes(folder / "self", "*.index"):,} of the index, {_bytes(folder / "self", "*.npz"):,} of neighbours, {_bytes(folder, "pool*.npy"):,} of rows""")


def exactly(base: Vectors, queries: Vectors, k: int, folder: Path) -> tuple[Ids, Similarities]:
    """Neighbours by every pair."""
    return picked(nearest(Local(), folder, base, queries, k, index="flat"), np.arange(len(queries)))


def _first(true: Ids, k: int) -> Ids:
    """The k nearest of true neighbours, nearest first, of which one may be left out."""
    return np.where(np.cumsum(true >= 0, axis=1) <= k, true, -1)


def _bytes(folder: Path, files: str) -> int:
    return sum(file.stat().st_size for file in folder.glob(files))


def pieces(rows: int, width: int, folder: Path) -> None:
    """Print what the parts of a search cost in processor time, from one block of queries and two numbers of lists."""
    pool, _ = made(folder, "pool", rows, _centres(rows, width), 1)
    lists, few, many, count = 1024, 8, 64, 144
    recipe = Recipe(pool, folder / "trained.index", lists, width // 8, 0)
    index = inverted(Local(), folder, recipe, few)
    queries = pool.rows(0, 4096)
    spent = {}
    for probes in (few, many):
        spent[probes] = _median(lambda probes=probes: replace(index, probes=probes).candidates(queries, count))
    ids = index.candidates(queries, count)
    codes = len(queries) * (many - few) * rows / lists
    print(f"{1e9 * (spent[many] - spent[few]) / codes:.1f} ns for each code of {width // 8} bytes that is compared")
    exact = _median(lambda: similarities(queries, pool, ids))
    print(f"{1e6 * exact / ids.size:.2f} µs for each candidate whose similarity is computed")
    product = _median(lambda: knn(queries, pool.rows(0, 65536), 1))
    print(f"{2e-9 * len(queries) * 65536 * width / product:.1f} GFLOP/s comparing every pair")


def _median(work: Callable[[], object]) -> float:
    """Processor seconds, of five turns."""
    spent = []
    with one_thread():
        for _ in range(5):
            began = time.process_time()
            work()
            spent.append(time.process_time() - began)
    return statistics.median(spent)


def _centres(rows: int, width: int) -> Rows:
    centres = np.random.default_rng(0).standard_normal((max(rows // 100, 1), width), dtype=np.float32)
    return np.asarray(centres / np.linalg.norm(centres, axis=1, keepdims=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--index", choices=get_args(Kind), default="auto", help="of the deduplication")
    parser.add_argument("--pieces", action="store_true", help="only what the parts of a search cost")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.pieces:
            pieces(arguments.rows, arguments.width, Path(folder))
        else:
            measure(arguments.rows, arguments.width, arguments.workers, arguments.index, Path(folder))


if __name__ == "__main__":
    main()
