"""Neighbours against every pair in NumPy."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest

from graphssl.curate import index, search
from graphssl.curate.engine import Local
from graphssl.curate.search import Neighbours, nearest
from graphssl.curate.vectors import Rows
from graphssl.runtime.errors import RunError
from tests.curate.rows import clustered, stored
from tests.curate.units import contents


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several blocks and shards of few rows."""
    monkeypatch.setattr(search, "QUERIES", 100)
    monkeypatch.setattr(search, "GATHERED", 5000)
    monkeypatch.setattr(index, "ROWS", 70)
    monkeypatch.setattr(index, "SHARD", 256)
    monkeypatch.setattr(index, "FOR_EACH_LIST", 1)


def brute_force(base: Rows, queries: Rows, k: int, own: bool) -> tuple[np.ndarray, np.ndarray]:
    """By (−similarity, number), one query after the other."""
    ids, similarity = [], []
    for number, query in enumerate(queries):
        close = (base.astype(np.float64) @ query.astype(np.float64)).astype(np.float32)
        order = [int(other) for other in np.lexsort((np.arange(len(base)), -close)) if not (own and other == number)][
            :k
        ]
        ids.append(order)
        similarity.append(close[order])
    return np.array(ids), np.array(similarity)


def whole(found: Neighbours) -> tuple[np.ndarray, np.ndarray]:
    starts, ids, similarity = zip(*found)
    assert list(starts) == list(range(0, len(found), search.QUERIES))
    return np.concatenate(ids), np.concatenate(similarity)


def shares(found: np.ndarray, wanted: np.ndarray) -> float:
    """The share of wanted neighbours that were found."""
    return float(np.mean([len({*got} & {*want}) / len(want) for got, want in zip(found, wanted)]))


@pytest.mark.parametrize("own", [True, False])
def test_a_flat_search_is_brute_force(tmp_path: Path, own: bool) -> None:
    base, others = clustered(500), clustered(130, seed=1)
    vectors = stored(tmp_path, base)
    queries = vectors if own else stored(tmp_path, others)
    ids, similarity = whole(nearest(Local(), tmp_path / "n", vectors, queries, 7, index="flat"))
    wanted, close = brute_force(base, base if own else others, 7, own)
    assert ids.dtype == np.int64 and similarity.dtype == np.float32
    assert np.array_equal(ids, wanted)
    assert np.allclose(similarity, close, atol=1e-7)


def test_equal_ones_come_by_number(tmp_path: Path) -> None:
    rows = clustered(10)[[3, 1, 3, 3, 5, 3, 3, 0]]
    ids, similarity = whole(nearest(Local(), tmp_path / "n", vectors := stored(tmp_path, rows), vectors, 3))
    assert ids[0].tolist() == [2, 3, 5] and ids[5].tolist() == [0, 2, 3]
    assert np.allclose(similarity[0], 1, atol=1e-7)


@pytest.mark.parametrize("kind", ["flat", "ivf_flat"])
def test_places_without_neighbours_are_marked(tmp_path: Path, kind: search.Kind) -> None:
    vectors = stored(tmp_path, clustered(10)).subset(np.array([5, 9]), tmp_path / "two.npy")
    ids, similarity = whole(nearest(Local(), tmp_path / "n", vectors, vectors, 3, index=kind, lists=2, probes=9))
    assert ids.tolist() == [[1, -1, -1], [0, -1, -1]]
    assert np.isneginf(similarity[:, 1:]).all() and similarity[0, 0] == similarity[1, 0] > -1


@pytest.mark.parametrize("kind, least", [("ivf_flat", 0.99), ("ivf_pq", 0.98)])
def test_an_inverted_file_finds_nearly_all(tmp_path: Path, kind: search.Kind, least: float) -> None:
    rows = clustered(1000, width=32)
    vectors = stored(tmp_path, rows)
    how = {"index": kind, "lists": 16, "probes": 6, "code_bytes": 16}
    ids, similarity = whole(nearest(Local(), tmp_path / "n", vectors, vectors, 8, **how))
    wanted, _ = brute_force(rows, rows, 8, own=True)
    assert shares(ids, wanted) > least
    assert len([*(tmp_path / "n").glob("shard-*.index")]) == 4
    true = np.einsum("md,mkd->mk", rows, rows[ids], dtype=np.float64)
    assert np.allclose(similarity, true, atol=1e-7), "similarities are of the rows, not of their codes"


@pytest.mark.parametrize("kind", ["flat", "ivf_pq"])
def test_files_do_not_depend_on_workers_or_threads(tmp_path: Path, kind: search.Kind) -> None:
    vectors = stored(tmp_path, clustered(400))
    nearest(Local(), tmp_path / "one", vectors, vectors, 5, index=kind, lists=8)
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(4)
    nearest(Local(), tmp_path / "threads", vectors, vectors, 5, index=kind, lists=8)
    assert faiss.omp_get_max_threads() == 4
    faiss.omp_set_num_threads(threads)
    assert contents(tmp_path / "one") == contents(tmp_path / "threads")


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 4])
def test_files_do_not_depend_on_processes(tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # other processes know the sizes of the module
    vectors = stored(tmp_path, clustered(10000))
    for kind in ("flat", "ivf_pq"):
        nearest(Local(), tmp_path / kind / "one", vectors, vectors, 5, index=kind, lists=64)
        nearest(Local(workers), tmp_path / kind / "more", vectors, vectors, 5, index=kind, lists=64)
        assert contents(tmp_path / kind / "one") == contents(tmp_path / kind / "more")


def test_a_search_that_was_killed_goes_on(tmp_path: Path) -> None:
    folder, vectors = tmp_path / "n", stored(tmp_path, clustered(600))

    def search_again() -> None:
        nearest(Local(), folder, vectors, vectors, 5, index="ivf_pq", lists=8)

    search_again()
    before = contents(folder)
    kept = (folder / "neighbours-00001.npz").stat().st_mtime_ns
    for name in ("neighbours-00002.npz", "neighbours-00004.npz", "shard-00001.index"):
        (folder / name).rename(folder / f".{name}.part")
        (folder / f".{name}.part").write_bytes(b"cut off")
    search_again()
    assert contents(folder) == before
    assert (folder / "neighbours-00001.npz").stat().st_mtime_ns == kept


def test_auto_is_flat_where_pairs_are_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = stored(tmp_path, clustered(300))
    nearest(Local(), tmp_path / "flat", vectors, vectors, 5)
    monkeypatch.setattr(search, "FLAT_PAIRS", 300 * 299)
    nearest(Local(), tmp_path / "ivf", vectors, vectors, 5)
    assert not [*(tmp_path / "flat").glob("*.index")] and [*(tmp_path / "ivf").glob("*.index")]


def test_what_cannot_be_searched_is_refused(tmp_path: Path) -> None:
    vectors = stored(tmp_path, clustered(20))
    with pytest.raises(RunError, match="there are no images to search in"):
        nearest(Local(), tmp_path / "n", vectors.subset(np.arange(0), tmp_path / "none.npy"), vectors, 5)
    with pytest.raises(RunError, match="of 16 lists needs 256 images at least, got 20: use `index: flat`"):
        nearest(Local(), tmp_path / "n", vectors, vectors, 5, index="ivf_pq")
    with pytest.raises(RunError, match="features of 8 numbers cannot be compared with features of 16: use one encoder"):
        nearest(Local(), tmp_path / "n", vectors, stored(tmp_path, clustered(20, width=8)), 5)
