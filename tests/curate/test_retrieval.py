"""Retrieval against loops over queries and clusters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graphssl.curate.engine import Local
from graphssl.curate.kmeans import kmeans
from graphssl.curate.retrieval import retrieve_clusters, retrieve_samples
from graphssl.curate.search import nearest
from tests.curate.rows import clustered, stored


@pytest.mark.parametrize("limit", [None, 25])
def test_each_query_takes_its_nearest_and_no_row_twice(tmp_path: Path, limit: int | None) -> None:
    pool, queries = clustered(150), clustered(40, seed=1)
    found = retrieve_samples(
        nearest(Local(), tmp_path / "n", stored(tmp_path, pool), stored(tmp_path, queries), 4), limit
    )
    close = (queries.astype(np.float64) @ pool.astype(np.float64).T).astype(np.float32)
    best: dict[int, tuple[float, int]] = {}
    hits = 0
    for query, similarity in enumerate(close):
        for row in np.argsort(-similarity, kind="stable")[:4]:
            hits += 1
            best[int(row)] = min(best.get(int(row), (0.0, -1)), (-float(similarity[row]), query))
    rows = sorted(sorted(best, key=lambda row: (best[row][0], row))[:limit])
    assert 25 < len(best) < hits and found.collisions == hits - len(best)
    assert found.rows.tolist() == rows
    assert found.query.tolist() == [best[row][1] for row in rows]
    assert np.allclose(found.similarity, [-best[row][0] for row in rows], atol=1e-6)


def test_no_query_retrieves_nothing(tmp_path: Path) -> None:
    pool = stored(tmp_path, clustered(10))
    none = pool.subset(np.arange(0), tmp_path / "none.npy")
    assert len(retrieve_samples(nearest(Local(), tmp_path / "n", pool, none, 4)).rows) == 0


def test_clusters_with_enough_queries_give_rows(tmp_path: Path) -> None:
    pool, queries = stored(tmp_path, clustered(500)), stored(tmp_path, clustered(40, seed=1))
    found = retrieve_clusters(Local(), tmp_path / "k", pool, queries, 12, min_queries=4, images=10, limit=None, seed=5)
    of_pool = kmeans(Local(), tmp_path / "k" / "pool", pool, 12)
    asked = (queries.rows(0, 40) @ of_pool.centres.T).argmax(axis=1)
    enough = [number for number in range(12) if np.sum(asked == number) >= 4]
    assert 0 < len(enough) < 12 and found.chosen.tolist() == enough
    assert found.queries.tolist() == np.bincount(asked, minlength=12).tolist()
    assert np.array_equal(of_pool.cluster[found.rows], found.cluster)
    assert np.array_equal(of_pool.similarity[found.rows], found.similarity)
    assert len({*found.rows.tolist()}) == len(found.rows)
    for number in enough:
        assert np.sum(found.cluster == number) == min(10, of_pool.sizes[number])


def test_a_limit_draws_from_what_clusters_gave(tmp_path: Path) -> None:
    pool, queries = stored(tmp_path, clustered(500)), stored(tmp_path, clustered(40, seed=1))

    def rows(limit: int | None) -> set[int]:
        return {*retrieve_clusters(Local(), tmp_path / "k", pool, queries, 12, images=10, limit=limit).rows.tolist()}

    assert rows(7) < rows(20) < rows(None) and (len(rows(7)), len(rows(20))) == (7, 20)
