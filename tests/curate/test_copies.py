"""Copies against a disjoint-set forest written out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graphssl.curate.copies import copies, copies_of
from graphssl.curate.engine import Local
from graphssl.curate.search import Neighbours, nearest
from graphssl.curate.vectors import Rows, Vectors
from tests.curate.rows import clustered, on_sphere, stored

THRESHOLD = 0.9


def forest(rows: Rows, threshold: float) -> list[set[int]]:
    """Sets of rows that are joined by similarities above the threshold."""
    sets = {number: {number} for number in range(len(rows))}
    for left in range(len(rows)):
        for right in range(left):
            if float(rows[left].astype(np.float64) @ rows[right].astype(np.float64)) > threshold:
                joined = sets[left] | sets[right]
                sets |= dict.fromkeys(joined, joined)
    return [sets[number] for number in range(len(rows))]


def among(vectors: Vectors, folder: Path, k: int) -> Neighbours:
    return nearest(Local(), folder, vectors, vectors, k)


@pytest.fixture
def chained() -> Rows:
    """Singles, pairs, and chains whose ends are far from each other."""
    rng = np.random.default_rng(3)
    rows = [on_sphere(rng.standard_normal((60, 16)))]
    for step in range(3):
        rows.append(on_sphere(rows[-1][:: step + 1] + 0.1 * rng.standard_normal((len(rows[-1][:: step + 1]), 16))))
    return np.concatenate(rows)[rng.permutation(sum(len(part) for part in rows))]


def test_copies_are_the_components_of_a_forest(tmp_path: Path, chained: Rows) -> None:
    found = copies(among(stored(tmp_path, chained), tmp_path / "n", 20), THRESHOLD)
    sets = forest(chained, THRESHOLD)
    assert 1 < len({min(one) for one in sets if len(one) > 2}) < len(found.kept) < len(chained)
    assert found.original.tolist() == [min(one) for one in sets]
    assert found.kept.tolist() == sorted({min(one) for one in sets})
    assert sorted([*found.kept, *found.dropped]) == list(range(len(chained)))
    assert np.array_equal(found.kept[found.component], found.original)


def test_a_copy_tells_the_similarity_of_its_strongest_edge(tmp_path: Path, chained: Rows) -> None:
    found = copies(among(stored(tmp_path, chained), tmp_path / "n", 20), THRESHOLD)
    close = chained.astype(np.float64) @ chained.astype(np.float64).T
    np.fill_diagonal(close, -np.inf)
    strongest = np.where(close.max(axis=1) > THRESHOLD, close.max(axis=1), -np.inf)
    assert np.allclose(found.similarity, strongest, atol=1e-6)
    assert np.isneginf(found.similarity[np.bincount(found.component)[found.component] == 1]).all()


def test_the_preferred_row_of_each_component_stays(tmp_path: Path, chained: Rows) -> None:
    preferred = np.random.default_rng(0).permutation(len(chained))
    found = copies(among(stored(tmp_path, chained), tmp_path / "n", 20), THRESHOLD, preferred)
    rank = {int(row): place for place, row in enumerate(preferred)}
    assert found.original.tolist() == [min(one, key=rank.__getitem__) for one in forest(chained, THRESHOLD)]


def test_a_heap_of_equal_rows_larger_than_k_is_one_component(tmp_path: Path) -> None:
    rows = np.concatenate([np.repeat(clustered(1), 200, axis=0), on_sphere(np.eye(16)[:5])])
    found = copies(among(stored(tmp_path, rows), tmp_path / "n", 4), 0.999)
    assert found.kept.tolist() == [0, 200, 201, 202, 203, 204]


def test_a_component_that_holds_a_reference_goes_whole(tmp_path: Path, chained: Rows) -> None:
    pool, references = chained[30:], chained[:30]
    vectors = stored(tmp_path, pool)
    nearest_reference = nearest(Local(), tmp_path / "r", stored(tmp_path, references), vectors, 1)
    found = copies_of(among(vectors, tmp_path / "n", 20), nearest_reference, THRESHOLD)
    sets = forest(chained, THRESHOLD)
    wanted = [row for row in range(len(pool)) if min(sets[row + 30]) < 30]
    assert 0 < len(wanted) < len(pool) and found.rows.tolist() == wanted
    assert (found.through != found.rows).any(), "some are dropped for another row of their component"
    assert all(
        reference in sets[row + 30] and through + 30 in sets[row + 30]
        for row, through, reference in zip(found.rows, found.through, found.reference)
    )
    true = np.einsum("td,td->t", pool[found.through], references[found.reference], dtype=np.float64)
    assert np.allclose(found.similarity, true, atol=1e-6) and (found.similarity > THRESHOLD).all()


def test_nothing_is_a_copy_where_nothing_is_near(tmp_path: Path) -> None:
    vectors = stored(tmp_path, on_sphere(np.eye(16)))
    alone = among(vectors, tmp_path / "n", 3)
    assert len(copies(alone, 0.5).dropped) == 0
    assert (
        len(
            copies_of(
                alone, nearest(Local(), tmp_path / "r", stored(tmp_path, -on_sphere(np.eye(16))), vectors, 1), 0.5
            ).rows
        )
        == 0
    )
