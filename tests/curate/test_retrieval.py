"""Retrieval against loops over queries and clusters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graphssl.curate.engine import Local
from graphssl.curate.retrieval import retrieve_samples
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
