"""Clusters: what their centres are, and that nothing but the arguments chooses them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graphssl.curate import kmeans as module
from graphssl.curate.engine import Local
from graphssl.curate.index import sample
from graphssl.curate.kmeans import kmeans
from graphssl.runtime.errors import RunError
from tests.curate.rows import clustered, on_sphere, stored
from tests.curate.units import contents


def test_every_row_has_its_nearest_centre_and_centres_are_means(tmp_path: Path) -> None:
    rows = clustered(400, centres=6, spread=0.05)
    found = kmeans(Local(), tmp_path / "k", stored(tmp_path, rows), 6, seed=1)
    close = rows @ found.centres.T
    assert np.array_equal(found.cluster, close.argmax(axis=1))
    assert np.allclose(found.similarity, close.max(axis=1), atol=1e-6)
    assert found.sizes.tolist() == np.bincount(found.cluster, minlength=6).tolist()
    for number, centre in enumerate(found.centres):
        assert np.allclose(centre, on_sphere(rows[found.cluster == number].mean(axis=0, keepdims=True)), atol=1e-3)


def test_a_seed_chooses_the_clusters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS", 128)
    rows = stored(tmp_path, clustered(300))
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        kmeans(Local(), tmp_path / name, rows, 5, iterations=3, seed=seed)
    assert len(contents(tmp_path / "one")) == 4
    assert contents(tmp_path / "one") == contents(tmp_path / "again") != contents(tmp_path / "other")


def test_more_clusters_than_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"^5 images cannot make 6 clusters: ask for fewer clusters$"):
        kmeans(Local(), tmp_path / "k", stored(tmp_path, clustered(5)), 6)


def test_a_sample_takes_one_row_of_each_stretch() -> None:
    drawn = sample(3, 1000, 100)
    assert (drawn // 10).tolist() == list(range(100)) and len({*(drawn % 10).tolist()}) == 10
    assert sample(3, 7, 9).tolist() == list(range(7))
