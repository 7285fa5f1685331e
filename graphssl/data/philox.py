"""Random numbers as a pure function of where they are used.

Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) turns a key and a counter into
four random words. We key it by seed, view and step and count by image and epoch, so a number depends neither on the
batch an image falls in, nor on workers, ranks, or where a run was resumed. Written out here because it must work on
a whole batch at once, and because NumPy does not promise the same stream in every version.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 10
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)


def key_of(*names: str | int) -> tuple[int, int]:
    """Two 32-bit key words that name a stream; different names give independent streams."""
    digest = blake2b("\0".join(str(name) for name in names).encode(), digest_size=8).digest()
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little")


def philox(key: tuple[int, int], counters: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Four random 32-bit words per counter: (... 4) from counters (... 4) of 32-bit words, both held in uint64."""
    c0, c1, c2, c3 = (counters[..., i].astype(np.uint64) for i in range(4))
    for turn in range(_ROUNDS):
        k0, k1 = (np.uint64((word + turn * step) & 0xFFFFFFFF) for word, step in zip(key, _WEYL, strict=True))
        product0, product1 = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2
        c0, c2 = (product1 >> _SHIFT) ^ c1 ^ k0, (product0 >> _SHIFT) ^ c3 ^ k1
        c1, c3 = product1 & _LOW, product0 & _LOW
    return np.stack([c0, c1, c2, c3], axis=-1)


class Draws:
    """The random numbers of one step of one view, for the images of one batch."""

    def __init__(self, key: tuple[int, int], indices: NDArray[np.int64], epoch: int) -> None:
        self._key = key
        self._indices = indices.astype(np.uint64)
        self._epoch = epoch

    def uniforms(self, block: int | NDArray[np.int64], rows: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """Four numbers in [0, 1) per image, (b 4); another `block` gives four others, k blocks (b k 4). `rows` picks some images."""
        indices = self._indices if rows is None else self._indices[rows]
        indices = indices.reshape(-1, *(1 for _ in np.shape(block)))
        counters = np.empty((len(indices), *np.shape(block), 4), dtype=np.uint64)
        counters[..., 0], counters[..., 1] = indices & _LOW, indices >> _SHIFT
        counters[..., 2], counters[..., 3] = self._epoch, block
        return np.multiply(philox(self._key, counters), 2.0**-32, dtype=np.float64)


def uniforms(key: tuple[int, int], counter: tuple[int, int], count: int) -> NDArray[np.float64]:
    """`count` numbers in [0, 1) that depend on the key and on two counter words."""
    blocks = -(-count // 4)
    counters = np.empty((blocks, 4), dtype=np.uint64)
    counters[:, 0], counters[:, 1], counters[:, 2], counters[:, 3] = counter[0], counter[1], np.arange(blocks), 0
    return np.multiply(philox(key, counters).reshape(-1)[:count], 2.0**-32, dtype=np.float64)


def spread(key: tuple[int, int], step: int, length: int) -> NDArray[np.int64]:
    """A random order of range(length) whose every aligned run of 2^k neighbours is spread evenly over it.

    The order of a base-2 radical inverse with Owen's scrambling: of 2^k neighbours, one falls into each 2^k-th part.
    """
    bits = max(1, (length - 1).bit_length())
    flips = uniforms(key, (step, 0), 2**bits) < 0.5  # one for each inner node of a binary tree
    index = np.arange(length)
    node, value = np.ones(length, dtype=np.int64), np.zeros(length, dtype=np.int64)
    for level in range(bits):
        bit = (index >> level) & 1
        value = 2 * value + (bit ^ flips[node])
        node = 2 * node + bit
    return np.argsort(np.argsort(value))


def permutation(key: tuple[int, int], epoch: int, length: int) -> NDArray[np.int64]:
    """A random order of range(length), a pure function of its arguments."""
    counters = np.zeros((-(-length // 2), 4), dtype=np.uint64)
    counters[:, 0], counters[:, 2] = np.arange(len(counters)), epoch
    words = philox(key, counters).reshape(-1, 2, 2)
    return np.argsort(((words[..., 0] << _SHIFT) | words[..., 1]).reshape(-1)[:length], kind="stable")
