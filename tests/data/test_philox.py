from __future__ import annotations

import numpy as np
import pytest

from graphssl.data.philox import Draws, key_of, permutation, philox, spread, uniforms


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [  # Random123's known answers for philox4x32-10
        ((0,) * 4, (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_it_gives_the_known_answers(counter: tuple[int, ...], key: tuple[int, int], expected: tuple[int, ...]) -> None:
    assert tuple(philox(key, np.array(counter, dtype=np.uint64)).tolist()) == expected


def test_uniforms_are_uniform_and_uncorrelated_between_images_and_epochs() -> None:
    key = key_of("test", 0)
    u = Draws(key, np.arange(20000), 0).uniforms(0)
    assert u.min() >= 0 and u.max() < 1
    assert np.abs(u.mean(axis=0) - 0.5).max() < 0.01
    assert np.abs(u.var(axis=0) - 1 / 12).max() < 0.002
    others = np.concatenate([u[1:], np.roll(u, 1, axis=0)[:1]]), Draws(key, np.arange(20000), 1).uniforms(0)
    for other in (*others, Draws(key, np.arange(20000), 0).uniforms(1)):
        assert abs(np.corrcoef(u[:, 0], other[:, 0])[0, 1]) < 0.03


def test_the_numbers_of_an_image_do_not_depend_on_the_batch() -> None:
    key = key_of("test", 0)
    together = Draws(key, np.array([5, 6, 7]), 3).uniforms(2)
    assert (together[1] == Draws(key, np.array([6]), 3).uniforms(2)[0]).all()
    assert (together[[2]] == Draws(key, np.array([5, 6, 7]), 3).uniforms(2, np.array([2]))).all()


def test_names_make_different_streams() -> None:
    assert len({key_of("a", 0), key_of("a", 1), key_of("b", 0), key_of("a0"), key_of("a", "0", 0)}) == 5
    assert uniforms(key_of("a"), (0, 0), 5).shape == (5,)


def test_a_permutation_is_one_and_differs_between_epochs() -> None:
    first, second = permutation((1, 2), 0, 1001), permutation((1, 2), 1, 1001)
    assert sorted(first) == sorted(second) == list(range(1001))
    assert (first != second).mean() > 0.99
    assert permutation((1, 2), 0, 5).tolist() == permutation((1, 2), 0, 5).tolist()


@pytest.mark.parametrize("length", [64, 48, 1])
def test_a_spread_order_is_an_order_and_shares_out_to_every_aligned_run(length: int) -> None:
    order = spread(key_of("spread"), 5, length)
    assert sorted(order.tolist()) == list(range(length))
    assert not np.array_equal(order, spread(key_of("spread"), 6, length)) or length == 1
    if length == 64:
        for run in (2, 4, 8, 16, 32):
            parts = order.reshape(-1, run) // (64 // run)
            assert all(sorted(part) == list(range(run)) for part in parts.tolist())


def test_every_place_of_a_spread_order_is_equally_likely() -> None:
    counts = np.zeros((8, 8))
    for step in range(2000):
        counts[np.arange(8), spread(key_of("spread"), step, 8)] += 1
    assert np.abs(counts / 2000 - 1 / 8).max() < 0.03
