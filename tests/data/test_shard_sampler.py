"""The contract of the order, by counting: that of `EpochSampler` holds, and few shards are needed at a time."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from graphssl.data import shard_sampler
from graphssl.data.errors import DataError
from graphssl.data.sampler import EpochSampler
from graphssl.data.shard_sampler import ShardSampler, sampler_of
from graphssl.data.sources import open_data
from graphssl.data.subset import Subset

SIZES = [50] * 36 + [7, 1, 130]  # 1938 images; three windows of 13 shards


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_sampler, "WINDOW_IMAGES", 100)


def shards_of(images: list[int]) -> set[int]:
    return {int(shard) for shard in np.searchsorted(np.cumsum(SIZES), images, side="right")}


def epoch(sampler: EpochSampler, number: int = 0) -> list[list[int]]:
    steps = range(number * sampler.steps_per_epoch, (number + 1) * sampler.steps_per_epoch)
    return [sampler.batch(step) for step in steps]


@pytest.mark.parametrize("batch", [1, 8, 100, 1000, 1938])
def test_an_epoch_shows_every_image_once_up_to_the_dropped_remainder(batch: int) -> None:
    sampler = ShardSampler(SIZES, batch)
    for number in range(2):
        shown = Counter(index for images in epoch(sampler, number) for index in images)
        assert len(shown) == sum(SIZES) // batch * batch and set(shown.values()) == {1} and max(shown) < sum(SIZES)


@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_are_disjoint_do_equal_work_and_see_the_batches_of_one(ranks: int) -> None:
    alone = ShardSampler(SIZES, 64, seed=3)
    split = [ShardSampler(SIZES, 64 // ranks, rank=rank, world_size=ranks, seed=3) for rank in range(ranks)]
    for step in range(2 * alone.steps_per_epoch):
        parts = [sampler.batch(step) for sampler in split]
        assert {len(part) for part in parts} == {64 // ranks}
        assert [index for part in parts for index in part] == alone.batch(step)


def test_it_resumes_at_any_step_in_any_order() -> None:
    before = ShardSampler(SIZES, 48, seed=3)
    batches = [before.batch(step) for step in range(90)]
    for step in (89, 0, 40, 39, 41, 7, 80):
        assert ShardSampler(SIZES, 48, seed=3).batch(step) == batches[step] == before.batch(step)


def test_seeds_and_epochs_differ_in_order() -> None:
    sampler = ShardSampler(SIZES, 64)
    assert epoch(sampler) != epoch(sampler, 1) and epoch(sampler) != epoch(ShardSampler(SIZES, 64, seed=1))


def test_few_shards_are_needed_at_a_time_and_a_rank_needs_its_part_of_them() -> None:
    ranks = [ShardSampler(SIZES, 16, rank=rank, world_size=4) for rank in range(4)]
    for sampler in ranks:
        needed = [shards_of(batch) for batch in epoch(sampler)]
        halves = [set.union(*needed[i : i + 4]) for i in range(0, len(needed), 4)]
        assert max(map(len, halves)) <= 2 * 6  # of 39: its part of two windows, where one ends within
        fetched = sum(len(new - old) for old, new in pairwise([set[int](), *needed]))
        assert fetched < 1.6 * len(SIZES) / 4 + 3
    assert max(len(set.union(*map(shards_of, parts))) for parts in zip(*map(epoch, ranks))) <= 26


def test_a_batch_holds_of_each_shard_of_its_window_in_proportion() -> None:
    sampler = ShardSampler([100] * 10, 50)
    for images in epoch(sampler):
        assert set(Counter(index // 100 for index in images).values()) == {5}


def test_images_of_a_shard_that_are_shown_together_change_from_epoch_to_epoch() -> None:
    sampler = ShardSampler([1000] * 4, 100)
    pairs = [
        {(a, b) for images in epoch(sampler, n) for a in images for b in images if a < b and a // 1000 == b // 1000}
        for n in (0, 1)
    ]
    assert 0.4 < len(pairs[0] & pairs[1]) / len(pairs[0]) / (24 / 999) < 2.5  # as often as by chance


def test_what_is_fetched_ahead_is_what_the_next_window_needs() -> None:
    sampler = ShardSampler(SIZES, 16, rank=1, world_size=4)
    by_window: dict[tuple[int, int], set[int]] = {}
    ahead: dict[tuple[int, int], set[int]] = {}
    for step in range(2 * sampler.steps_per_epoch):
        window = sampler.window_of(step)
        by_window.setdefault(window, set()).update(shards_of(sampler.batch(step)))
        ahead[window] = shards_of(sampler.ahead(step))
    windows = sorted(by_window)
    assert windows == [(epoch, number) for epoch in (0, 1) for number in (0, 1, 2)]
    for window, following in pairwise(windows):  # a batch that begins in a window may end in the one behind it
        assert ahead[window] <= by_window[following] <= ahead[window] | ahead[following]


def test_small_shards_make_wide_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    sampler = ShardSampler([100] * 600, 100)
    assert len({index // 100 for index in sampler.batch(0)}) > 60 and sampler.window_of(599) == (0, 0)


def test_the_order_of_a_seed_never_changes() -> None:
    assert ShardSampler([3, 4, 3], 5).batch(0) == [5, 6, 8, 9, 0]


def test_a_source_says_which_order_it_needs() -> None:
    source = open_data("shapes:32,40")
    assert type(sampler_of(source, 8)) is EpochSampler
    source.shard_sizes = (10, 10, 20)  # type: ignore[attr-defined]
    part = Subset(source, [0, 9, 10, 39])
    assert part.shard_sizes == (2, 1, 1)
    assert Subset(source, [39, 0]).shard_sizes == () and Subset(source, [9, 0, 39]).shard_sizes == (2, 0, 1)
    for chosen in (source, part, Subset(source, [30, 31])):
        sampler = sampler_of(chosen, 2, seed=1)
        assert isinstance(sampler, ShardSampler)
        shown = [index for images in epoch(sampler) for index in images]
        assert sorted(shown) == [*range(len(chosen))]


def test_fewer_images_than_a_global_batch_are_refused() -> None:
    with pytest.raises(DataError, match="has 100 images but one global batch needs 128"):
        ShardSampler([50, 50], 64, world_size=2)
