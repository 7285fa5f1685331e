from __future__ import annotations

import pytest

from graphssl.data.errors import DataError
from graphssl.data.sampler import EpochSampler


def test_an_epoch_shows_every_image_once_up_to_the_dropped_remainder() -> None:
    sampler = EpochSampler(103, 10)
    assert sampler.steps_per_epoch == 10
    shown = [index for step in range(10) for index in sampler.batch(step)]
    assert len(set(shown)) == 100 and set(shown) <= set(range(103))


def test_epochs_and_seeds_differ_in_order() -> None:
    sampler = EpochSampler(100, 50, seed=0)
    assert sampler.batch(0) != sampler.batch(2)
    assert sampler.batch(0) != EpochSampler(100, 50, seed=1).batch(0)
    assert [sampler.epoch(step) for step in (0, 1, 2, 5)] == [0, 0, 1, 2]


def test_ranks_together_see_the_batch_one_rank_would_see() -> None:
    alone = EpochSampler(100, 24)
    ranks = [EpochSampler(100, 8, rank=rank, world_size=3) for rank in range(3)]
    for step in range(9):
        assert [index for rank in ranks for index in rank.batch(step)] == alone.batch(step)
        assert alone.steps_per_epoch == ranks[0].steps_per_epoch


def test_it_resumes_at_any_step() -> None:
    before = EpochSampler(100, 7, seed=3)
    batches = [before.batch(step) for step in range(40)]
    for step in (39, 0, 14, 13, 27):
        assert EpochSampler(100, 7, seed=3).batch(step) == batches[step]
        assert before.batch(step) == batches[step]


def test_the_order_of_a_seed_never_changes() -> None:
    assert EpochSampler(10, 10, seed=0).batch(0) == [5, 1, 0, 3, 6, 9, 4, 7, 8, 2]


def test_a_data_set_smaller_than_the_global_batch_is_refused_with_both_numbers() -> None:
    with pytest.raises(DataError, match=r"has 100 images but one global batch needs 128; use a batch size of at most"):
        EpochSampler(100, 64, world_size=2)
