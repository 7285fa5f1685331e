"""Images that touch a benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphssl.curate.stage import POOL, Given, Result, Search, Work
from graphssl.ir.signature import Input
from graphssl.language.fields import integer, number


class RelativeDeduplicate(Search):
    """Drop every image that is a near-copy of an image of a benchmark, or of a near-copy of one.

    Among the pool and the benchmarks together, images are linked as in `self_deduplicate`; all of a connected component that holds an
    image of a benchmark are dropped. arXiv:2304.07193, appendix A.3.
    """

    name = "relative_deduplicate"
    main = "pool"
    pool = POOL
    reference = Input("images", "the benchmarks, training and test images", takes_list=True)
    neighbours = integer(64, "How many nearest neighbours of each image are looked at.", maximum=2048)
    similarity = number(0.45, "Cosine similarity above which two images are copies.", minimum=-1, maximum=1)

    @classmethod
    def run(cls, work: Work, attrs: Mapping[str, Any], given: Given) -> Result:
        import numpy as np

        from graphssl.curate.copies import copies_of
        from graphssl.curate.neighbours import doubt, most_like, neighbours, together
        from graphssl.curate.sets import ImageSet

        pool, reference = together(given["pool"]), together(given["reference"])
        within = neighbours(work, attrs, pool, pool, attrs["neighbours"])
        near = neighbours(work, attrs, reference, pool, 1)
        found = copies_of(within, near, attrs["similarity"])
        touching = np.zeros(len(pool), dtype=np.bool_)
        touching[found.rows] = True
        dropped = ImageSet.of(pool.ids[found.rows], found.similarity, like=reference.ids[found.reference])
        touched = len(set(found.reference.tolist()))
        words = f"{len(pool) - len(dropped):,} of {len(pool):,} kept; {len(dropped):,} touch {touched:,} of {len(reference):,} benchmark images"
        words += doubt("these are many", len(dropped), pool)
        spared = most_like(near, reference, pool).where(~touching)
        return Result(pool.where(~touching), dropped, words, {"touched": touched}, spared)
