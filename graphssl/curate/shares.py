"""How many of each group, and which: a target is shared out evenly, and rows are drawn by seeded ranks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from graphssl.curate.vectors import Ids
from graphssl.data.philox import key_of, permutation


def random_rank(count: int, *names: str | int) -> Ids:
    """(n) a random order that depends on the names alone."""
    return permutation(key_of(*names), 0, count)


def first_of_each(group: Ids, rank: NDArray[np.generic], counts: Ids) -> Ids:
    """Of each group g the `counts[g]` rows of lowest rank, equal ones by number; ascending.

    group: (n) of each row. rank: (n). counts: (groups); a group with no more gives all it has.
    """
    order = np.lexsort((rank, group))
    sizes = np.bincount(group, minlength=len(counts))
    place = np.arange(len(group)) - (np.cumsum(sizes) - sizes)[group[order]]
    return np.sort(order[place < counts[group[order]]])


def shared_out(target: int, sizes: Ids, rank: Ids) -> Ids:
    """Shares (k) of a target, as even as sizes (k) allow: min(size, level) of each, and one more of those of lowest rank until it is met.

    All of everything where there is no more than the target.
    """
    if sizes.sum() <= target:
        return sizes
    ascending = np.sort(sizes)
    before = np.cumsum(ascending) - ascending
    left = len(sizes) - np.arange(len(sizes))
    first = np.argmax(before + ascending * left > target)  # the first that the level cuts
    level = (target - before[first]) // left[first]
    shares: Ids = np.minimum(sizes, level)
    larger = np.flatnonzero(sizes > level)
    shares[larger[np.argsort(rank[larger])][: target - shares.sum()]] += 1
    return shares
