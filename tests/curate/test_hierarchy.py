"""The hierarchy: its tree, what sampling takes from it, and what both are for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graphssl.curate.engine import Local
from graphssl.curate.hierarchy import Hierarchy, hierarchy, sample_hierarchy
from graphssl.curate.vectors import Rows
from graphssl.runtime.errors import RunError
from tests.curate.rows import clustered, on_sphere, stored
from tests.curate.units import contents

MODES = 16
TREE = Hierarchy((np.array([0, 0, 0, 0, 0, 0, 1, 2, 2, 3]), np.array([0, 0, 1, 1])), (4, 2))
"""Ten rows in four clusters of 6, 1, 2 and 1, and those in two of 7 and 3."""


@pytest.mark.parametrize(
    "images, of_each", [(10, [6, 1, 2, 1]), (99, [6, 1, 2, 1]), (6, [2, 1, 2, 1]), (2, [1, 0, 1, 0]), (0, [0, 0, 0, 0])]
)
def test_a_target_is_shared_out_evenly_at_every_level(images: int, of_each: list[int]) -> None:
    found = sample_hierarchy(TREE, images)
    assert TREE.sizes()[0].tolist() == [6, 1, 2, 1] and TREE.sizes()[1].tolist() == [7, 3]
    taken = np.bincount(found.clusters[:, 0], minlength=4)
    if images == 2:  # one of each half, of either of its clusters
        assert [taken[:2].sum(), taken[2:].sum()] == [1, 1]
    else:
        assert taken.tolist() == of_each
    assert len(found.rows) == min(images, 10) == len({*found.rows.tolist()})
    assert found.clusters[:, 0].tolist() == TREE.parents[0][found.rows].tolist()
    assert found.clusters[:, 1].tolist() == TREE.parents[1][found.clusters[:, 0]].tolist()


def test_the_seed_draws_the_rows(tmp_path: Path) -> None:
    rows = [sample_hierarchy(TREE, 6, seed).rows.tolist() for seed in range(8)]
    assert rows[0] == sample_hierarchy(TREE, 6, 0).rows.tolist()
    assert len({*map(tuple, rows)}) > 1


def test_a_tree_is_a_function_of_its_arguments_and_goes_on_after_a_kill(tmp_path: Path) -> None:
    rows = stored(tmp_path, clustered(300))

    def grow(name: str) -> Hierarchy:
        return hierarchy(Local(), tmp_path / name, rows, (20, 5), resampling_steps=2, iterations=3)

    tree = grow("one")
    grow("two")
    assert [len(parent) for parent in tree.parents] == [300, 20] and tree.sizes()[1].sum() == 300
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    for file in (*(tmp_path / "two").glob("level-1/step-2/*"), *(tmp_path / "two").glob("level-2/*/centres.npy")):
        file.unlink()
    grow("two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_level_of_more_clusters_than_the_one_before_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"^20 images cannot make 30 clusters: ask for fewer clusters$"):
        hierarchy(Local(), tmp_path / "h", stored(tmp_path, clustered(100)), (20, 30), resampling_steps=0)


def long_tail() -> tuple[Rows, np.ndarray]:
    """Rows around modes of which each holds two thirds of the rows of the one before: 1000, 667, ..., 2."""
    rng = np.random.default_rng(1)
    mode = np.repeat(np.arange(MODES), (1000 * (2 / 3) ** np.arange(MODES)).astype(int))
    centres = on_sphere(rng.standard_normal((MODES, 32)))
    return on_sphere(centres[mode] + 0.08 * rng.standard_normal((len(mode), 32))), mode


def divergence(mode: np.ndarray) -> float:
    """Kullback-Leibler, of the share of each mode to the uniform one, in nats."""
    share = np.bincount(mode, minlength=MODES) / len(mode)
    return float(np.sum(share[share > 0] * np.log(share[share > 0] * MODES)))


def test_a_sample_of_a_long_tail_is_nearly_uniform_over_its_modes(tmp_path: Path) -> None:
    rows, mode = long_tail()
    vectors = stored(tmp_path, rows)

    def sampled(name: str, levels: tuple[int, ...], steps: int) -> float:
        tree = hierarchy(Local(), tmp_path / name, vectors, levels, resampling_steps=steps)
        return divergence(mode[sample_hierarchy(tree, 100).rows])

    at_random = divergence(mode[np.random.default_rng(0).choice(len(rows), 100, replace=False)])
    one_level, resampled = sampled("flat", (100,), 0), sampled("resampled", (100, 16), 10)
    assert resampled < 0.3 * one_level < 0.3 * at_random  # seen: 0.06, 0.60, 0.94; nothing is below 0.04
