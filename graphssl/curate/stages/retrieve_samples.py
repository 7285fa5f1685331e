"""The nearest images of each image of a curated set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphssl.curate.stage import POOL, Given, Result, Search, Work
from graphssl.ir.signature import Input
from graphssl.language.fields import integer


class RetrieveSamples(Search):
    """For each query the images of the pool that are most similar to it; no image twice.

    For curated sets that are large. arXiv:2304.07193, section 3 (4 neighbours; 32 for landmarks).
    """

    name = "retrieve_samples"
    pool = POOL
    queries = Input("images", "the curated sets", takes_list=True)
    neighbours = integer(4, "Images for each query.", maximum=2048)
    images_at_most = integer(None, "Keep the most similar ones when there are more than this; default: keep all.")

    @classmethod
    def run(cls, work: Work, attrs: Mapping[str, Any], given: Given) -> Result:
        from graphssl.curate.neighbours import neighbours, together
        from graphssl.curate.retrieval import retrieve_samples
        from graphssl.curate.sets import ImageSet, nothing

        pool, queries = together(given["pool"]), together(given["queries"])
        near = neighbours(work, attrs, pool, queries, attrs["neighbours"])
        found = retrieve_samples(near, attrs["images_at_most"])
        kept = ImageSet.of(pool.ids[found.rows], found.similarity, like=queries.ids[found.query])
        words = f"{len(kept):,} of {len(pool):,} retrieved by {len(queries):,} queries; {found.collisions:,} times one that another had"
        return Result(kept, nothing(), words, {"queries": len(queries), "collisions": found.collisions})
