"""Shares and draws against loops."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from graphssl.curate.shares import first_of_each, random_rank, shared_out


@settings(deadline=None, max_examples=80)
@given(st.integers(0, 60), st.lists(st.integers(0, 20), min_size=1, max_size=8), st.integers(0, 5))
def test_shares_are_those_of_one_at_a_time_in_turns(target: int, sizes: list[int], seed: int) -> None:
    rank = random_rank(len(sizes), "turns", seed)
    shares = np.zeros(len(sizes), int)
    while shares.sum() < min(target, sum(sizes)):
        for group in np.argsort(rank):
            if shares[group] < sizes[group] and shares.sum() < target:
                shares[group] += 1
    assert shared_out(target, np.array(sizes), rank).tolist() == shares.tolist()


def test_each_group_gives_its_rows_of_lowest_rank() -> None:
    rng = np.random.default_rng(0)
    group, rank = rng.integers(6, size=80), rng.integers(10, size=80)
    counts = np.array([0, 3, 100, 1, 7, 2])
    wanted: list[int] = []
    for number, count in enumerate(counts):
        members = [row for row in range(80) if group[row] == number]
        wanted += sorted(members, key=lambda row: (rank[row], row))[:count]
    assert first_of_each(group, rank, counts).tolist() == sorted(wanted)
