"""Rows in files read like one array."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from graphssl.curate.vectors import Vectors
from graphssl.runtime.errors import RunError
from tests.curate.rows import clustered, stored

ROWS = clustered(50)


@pytest.mark.parametrize("parts", [1, 3, 7])
def test_slices_and_picks_do_not_see_the_files(tmp_path: Path, parts: int) -> None:
    vectors = stored(tmp_path, ROWS, parts)
    picked = np.array([49, 0, 17, 17, 3])
    assert (len(vectors), vectors.width) == ROWS.shape
    assert np.array_equal(vectors.rows(5, 31), ROWS[5:31])
    assert np.array_equal(vectors.rows(40, 99), ROWS[40:])
    assert vectors.rows(50, 60).shape == (0, 16)
    assert np.array_equal(vectors.take(picked), ROWS[picked])
    assert np.array_equal(np.concatenate([rows for _, rows in vectors.blocks(8)]), ROWS)


def test_a_subset_of_a_subset_is_a_view_that_can_be_pickled(tmp_path: Path) -> None:
    odd = stored(tmp_path, ROWS).subset(np.arange(1, 50, 2), tmp_path / "odd.npy")
    few = pickle.loads(pickle.dumps(odd.subset(np.array([20, 3, 4]), tmp_path / "few.npy")))
    assert len(few) == 3 and len(pickle.dumps(few)) < 1000
    assert np.array_equal(few.rows(0, 3), ROWS[[41, 7, 9]])
    assert np.array_equal(few.take(np.array([2, 0])), ROWS[[9, 41]])


def test_float16_takes_no_length_away(tmp_path: Path) -> None:
    rows = stored(tmp_path, ROWS, dtype=np.float16).rows(0, 50)
    assert np.abs(np.linalg.norm(rows, axis=1) - 1).max() < 1e-6
    assert np.abs(rows - ROWS).max() < 1e-3


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, 5.0])
def test_a_row_that_is_not_of_unit_length_is_named(tmp_path: Path, value: float) -> None:
    rows = ROWS.copy()
    stored(tmp_path, rows, dtype=np.float16).require_unit()
    rows[30] = value
    with pytest.raises(RunError, match=r"^row 5 of `.*rows-3.npy` has length .*, not 1: embed these images again$"):
        stored(tmp_path, rows).require_unit(size=4)


def test_files_that_hold_no_rows_are_refused(tmp_path: Path) -> None:
    other = stored(tmp_path, ROWS[:, :8]).files[0]
    with pytest.raises(RunError, match=r"rows of one width expected, got \[8, 16\] in 2 files"):
        Vectors.of([other, stored(tmp_path, ROWS).files[0]])
    np.save(tmp_path / "flat.npy", np.arange(3))
    with pytest.raises(RunError, match=r"holds int64 \(3,\), not rows \(n d\) of float16 or float32"):
        Vectors.of([tmp_path / "flat.npy"])
    other.write_bytes(other.read_bytes()[:100])
    with pytest.raises(RunError, match=r"cannot be read \(.*\): remove it, and give the same command again"):
        Vectors.of([other])
