"""Copies within a set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphssl.curate.stage import POOL, Given, Result, Search, Work
from graphssl.language.fields import integer, number


class SelfDeduplicate(Search):
    """Keep one image of each group of near-copies.

    Two images are copies when one is among the nearest neighbours of the other and their similarity is above a threshold; groups
    are the connected components, and the first image of each, in the order of places, is kept. arXiv:2304.07193, appendix A.3.
    Differs: they compare by a network made for copy detection; which one is good at it here is the user's choice.
    """

    name = "self_deduplicate"
    main = "pool"
    pool = POOL
    neighbours = integer(64, "How many nearest neighbours of each image are looked at.", maximum=2048)
    similarity = number(0.6, "Cosine similarity above which two images are copies.", minimum=-1, maximum=1)

    @classmethod
    def run(cls, work: Work, attrs: Mapping[str, Any], given: Given) -> Result:
        import numpy as np

        from graphssl.curate.copies import copies
        from graphssl.curate.neighbours import doubt, most_like, neighbours, together
        from graphssl.curate.sets import ImageSet

        pool = together(given["pool"])
        near = neighbours(work, attrs, pool, pool, attrs["neighbours"])
        found = copies(near, attrs["similarity"])
        out = found.dropped
        dropped = ImageSet.of(
            pool.ids[out], found.similarity[out], found.component[out], like=pool.ids[found.original[out]]
        )
        sizes = np.unique(found.original[out], return_counts=True)[1]
        largest = int(sizes.max(initial=0)) + 1
        words = f"{len(found.kept):,} of {len(pool):,} kept; {len(out):,} are copies of {len(sizes):,} of them"
        words += doubt(f"one group holds {largest:,} images", largest, pool)
        kept = ImageSet.of(pool.ids[found.kept])
        return Result(
            kept,
            dropped,
            words,
            {"groups": len(sizes), "largest": largest},
            most_like(near, pool, pool).where(found.kept),
        )
