"""Arrays in files: whole, refused, or not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graphssl.curate.arrays import mapped, read_arrays, write_array, write_arrays
from graphssl.curate.index import Recipe, Shard
from graphssl.runtime.errors import RunError
from tests.curate.rows import clustered, stored
from tests.curate.units import contents


def test_what_is_written_is_read(tmp_path: Path) -> None:
    ids, similarity = np.arange(6).reshape(2, 3), np.ones((2, 3), np.float32)
    write_array(tmp_path / "new" / "a.npy", ids)
    write_arrays(tmp_path / "b.npz", ids=ids, similarity=similarity)
    assert mapped(tmp_path / "new" / "a.npy").tolist() == ids.tolist()
    found = read_arrays(tmp_path / "b.npz")
    assert found["ids"].tolist() == ids.tolist() and found["similarity"].dtype == np.float32


def test_a_file_that_was_replaced_is_opened_anew(tmp_path: Path) -> None:
    for length in (3, 4):
        write_array(tmp_path / "a.npy", np.arange(length))
        assert len(mapped(tmp_path / "a.npy")) == length


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full, as Linux plays it")
def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    rows = stored(tmp_path, clustered(2000))
    before = contents(tmp_path)
    recipe = Recipe(rows, tmp_path / "x", lists=4, code_bytes=0, seed=0)
    for write in (
        lambda file: write_array(file, np.arange(10**5)),
        lambda file: write_arrays(file, ids=np.arange(10**5)),
        lambda file: recipe.train(Shard(file)),
    ):
        (tmp_path / ".x.part").symlink_to("/dev/full")
        with pytest.raises(RunError, match=r"^cannot write `.*/x`: .*no space left on device"):
            write(tmp_path / "x")
        assert contents(tmp_path) == before


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut off", b"\x80\x04}."])
def test_a_damaged_file_is_refused(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "x").write_bytes(damage)
    for read in (mapped, read_arrays):
        with pytest.raises(
            RunError, match=r"^`.*/x` cannot be read \(.+\): remove it, and give the same command again$"
        ):
            read(tmp_path / "x")
