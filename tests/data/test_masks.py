"""Masks: how many patches they hide, of what shape, and that they depend on nothing but seed, place and step."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from graphssl.data.loader import train_loader
from graphssl.data.masks import BlockMasks, MaskPlan, Masks, RandomMasks, rectangles
from graphssl.data.sampler import EpochSampler
from graphssl.data.samples import Samples
from graphssl.data.sources import open_data

IBOT = {"ratio": (0.1, 0.5), "share": 0.5}


def samples(count: int, *, begin: int = 0, total: int | None = None, epoch: int = 0, step: int = 0) -> Samples:
    numbers = np.arange(begin, begin + count)
    return Samples(torch.zeros(count, 3, 2, 2), numbers, epoch, step, first=begin, total=total or count)


def plan(*grids: int, listed: bool = False, **more: object) -> MaskPlan:
    return MaskPlan("mask", tuple((g, g) for g in grids), listed, **more)  # type: ignore[arg-type]


def blocks(
    *grids: int, listed: bool = False, least: int | None = None, most: float = 1.0, **more: object
) -> BlockMasks:
    return BlockMasks(plan(*grids, listed=listed, **more), seed=0, least=least, most=most)


def one(made: Tensor | list[Tensor]) -> Tensor:
    assert isinstance(made, Tensor)
    return made


def several(made: Tensor | list[Tensor]) -> list[Tensor]:
    assert isinstance(made, list)
    return made


def one_by_one(asked: float, side: int, dice: random.Random) -> int:
    """How many patches a mask hides, made the slow way: block after block, try after try."""
    hidden: set[tuple[int, int]] = set()
    while len(hidden) < asked:
        left, before = asked - len(hidden), len(hidden)
        for _ in range(10):
            area = dice.uniform((side // 3) ** 2, left)
            aspect = math.exp(dice.uniform(math.log(0.3), -math.log(0.3)))
            h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if h < side and w < side:
                top, start = dice.randint(0, side - h), dice.randint(0, side - w)
                new = {(top + i, start + j) for i in range(h) for j in range(w)} - hidden
                if 0 < len(new) <= left:
                    hidden |= new
                    break
        if len(hidden) == before:
            break
    return len(hidden)


@pytest.mark.parametrize("side", [4, 14])
def test_blocks_hide_as_much_as_the_slow_way_does(side: int) -> None:
    dice = random.Random(0)
    slow = [one_by_one(0.3 * side * side, side, dice) for _ in range(1500)]
    fast = one(blocks(side, ratio=(0.3, 0.3))(samples(1500))).sum(1)
    error = math.sqrt((np.var(slow) + float(fast.double().var())) / 1500)
    assert abs(float(fast.double().mean()) - np.mean(slow)) < 4 * error + 1e-9
    assert int(fast.max()) == max(slow) <= 0.3 * side * side  # never more than asked for


def test_blocks_fall_short_of_what_is_asked_as_the_authors_do() -> None:
    masks = one(blocks(14, **IBOT)(samples(8000))).double()
    requested = 0.15  # half of them, 0.3 on average
    assert float(masks.mean()) == pytest.approx(requested * 0.1452 / 0.1483, abs=0.005)
    small = one(blocks(4, ratio=(0.3, 0.3))(samples(2000))).double()
    assert float(small.mean()) == pytest.approx(0.25, abs=0.002)  # 4 of the 4.8 patches asked for


def test_a_share_of_the_masks_hides_something() -> None:
    masks = one(blocks(14, **IBOT)(samples(8000)))
    assert float(masks.any(1).double().mean()) == pytest.approx(0.5, abs=0.02)
    assert not one(blocks(14, ratio=(0.1, 0.5), share=0.0)(samples(100))).any()


def test_a_rectangle_has_the_sides_and_the_place_that_its_numbers_say() -> None:
    u = np.array([[0.5, 0.5, 0.0, 0.999], [1.0, 0.5, 0.5, 0.5], [0.5, 1.0, 0.0, 0.0]])
    inside, fits = rectangles((6, 6), 4.0, np.array([14.0, 36.0, 14.0]), u)
    assert fits.tolist() == [True, False, True]  # a block as long as the grid is refused
    assert np.argwhere(inside[0]).tolist() == [[i, j] for i in range(3) for j in range(3, 6)]  # area 9, square
    assert inside[2].any(1).sum() == round(math.sqrt(9 / 0.3)) and inside[2].any(0).sum() == round(math.sqrt(9 * 0.3))


def test_random_masks_hide_exactly_what_is_asked_anywhere() -> None:
    masks = one(RandomMasks(plan(14, ratio=(0.3, 0.3)), seed=0)(samples(2000)))
    assert set(masks.sum(1).tolist()) == {int(0.3 * 196)}
    assert (masks.double().mean(0) - 58 / 196).abs().max() < 0.06


def test_stratified_masks_are_counted_and_spread_over_the_ratios() -> None:
    make = blocks(14, 14, listed=True, least=4, most=0.5, stratified=True, **IBOT)
    masks = torch.cat(several(make(samples(64))))
    hidden = sorted(masks.sum(1).tolist())
    assert hidden[:64] == [0] * 64 and hidden[64] > 0  # exactly int(0.5 · 128)
    edges = np.linspace(0.1, 0.5, 65)
    asked = [(math.floor(196 * low), math.floor(196 * high)) for low, high in pairwise(edges)]
    reached = [low <= count <= high for count, (low, high) in zip(hidden[64:], asked, strict=True)]
    assert sum(reached) > 50  # blocks of 4 and more nearly always fill a mask
    assert 20 < int(several(make(samples(64)))[0].any(1).sum()) < 44  # shuffled over the views
    odd = blocks(4, least=4, stratified=True, ratio=(0.5, 0.5), share=0.3)
    assert [int(one(odd(samples(9, step=step))).any(1).sum()) for step in range(5)] == [2] * 5


@pytest.mark.parametrize("stratified", [False, True])
@pytest.mark.parametrize("kind", [BlockMasks, RandomMasks])
def test_ranks_together_make_the_masks_of_one_rank(kind: type[Masks], stratified: bool) -> None:
    more = {"least": 4, "most": 0.5} if kind is BlockMasks else {}
    make = kind(plan(6, 4, listed=True, stratified=stratified, **IBOT), seed=3, **more)
    alone = several(make(samples(24, epoch=2, step=7)))
    ranks = [several(make(samples(8, begin=begin, total=24, epoch=2, step=7))) for begin in (0, 8, 16)]
    for view in range(2):
        assert torch.equal(alone[view], torch.cat([rank[view] for rank in ranks]))
    assert alone[0].shape == (24, 36) and alone[1].shape == (24, 16)


def test_masks_differ_between_views_epochs_and_seeds() -> None:
    def made(seed: int, epoch: int) -> list[Tensor]:
        return several(RandomMasks(plan(8, 8, listed=True, ratio=(0.5, 0.5)), seed=seed)(samples(16, epoch=epoch)))

    kinds = [*made(0, 0), *made(0, 1), *made(1, 0)]
    assert all(not torch.equal(a, b) for i, a in enumerate(kinds) for b in kinds[:i])
    steps = [one(blocks(8, ratio=(0.5, 0.5), stratified=True)(samples(16, step=step))) for step in range(2)]
    assert not torch.equal(*steps)


def test_nothing_is_hidden_before_the_start() -> None:
    make = blocks(6, ratio=(0.5, 0.5), start=3)
    assert [bool(one(make(samples(4, step=step))).any()) for step in range(5)] == [False, False, False, True, True]


@pytest.mark.parametrize("stratified", [False, True])
def test_any_number_of_workers_and_a_resumed_loader_give_the_same_masks(stratified: bool) -> None:
    source, make = open_data("shapes:32,40"), blocks(6, 6, listed=True, stratified=stratified, **IBOT)

    def masks(first: int, workers: int) -> list[Tensor]:
        sampler = EpochSampler(40, 16, seed=7)
        loader = train_loader(source, sampler, {"mask": make}, first_step=first, last_step=4, workers=workers)
        return [torch.cat(several(batch.views["mask"])) for batch in loader]

    whole = masks(0, 0)
    assert len(whole) == 4 and all(mask.any() for mask in whole)
    for first, workers in ((0, 2), (3, 0), (2, 1)):
        assert all(torch.equal(a, b) for a, b in zip(whole[first:], masks(first, workers), strict=True))


def test_stratified_masks_of_each_rank_need_no_more_room_than_a_fifth() -> None:
    make = RandomMasks(plan(14, 14, listed=True, stratified=True, **IBOT), seed=3)
    for step in range(20):
        for begin in range(0, 64, 8):
            rank = torch.cat(several(make(samples(8, begin=begin, total=64, step=step))))
            assert int(rank.any(1).sum()) == 8, "half of its 16 masks"
            assert 0.13 < float(rank.float().mean()) < 0.17
