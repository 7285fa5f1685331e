"""The clusters in which images of a curated set lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphssl.curate.stage import POOL, Compare, Given, Result, Work
from graphssl.ir.signature import Input
from graphssl.language.fields import integer


class RetrieveClusters(Compare):
    """Of each k-means cluster of the pool in which enough queries lie, so many images, drawn at random.

    For curated sets that are small. arXiv:2304.07193, section 3 (100,000 clusters, more than 3 queries, 10,000 images, 1 million at most).
    """

    name = "retrieve_clusters"
    pool = POOL
    queries = Input("images", "the curated sets", takes_list=True)
    clusters = integer(100_000, "Number of clusters of the pool.", minimum=1)
    min_queries = integer(4, "How many queries a cluster must hold.")
    images = integer(10_000, "Images that each such cluster gives.")
    images_at_most = integer(1_000_000, "Keep a random draw of this many when there are more.")
    iterations = integer(20, "Steps of k-means.")
    seed = integer(0, "Chooses the first centres and the draw.", minimum=0)

    @classmethod
    def run(cls, work: Work, attrs: Mapping[str, Any], given: Given) -> Result:
        from graphssl.curate.neighbours import rows_of, together
        from graphssl.curate.retrieval import retrieve_clusters
        from graphssl.curate.sets import ImageSet, nothing

        pool, queries = together(given["pool"]), together(given["queries"])
        (rows, asked), names = rows_of(work, attrs, pool, queries)
        settings = {name: attrs[name] for name in ("clusters", "iterations", "seed")}
        found = retrieve_clusters(
            work.engine, work.scratch("clusters", *names, settings), rows, asked, **settings,
            min_queries=attrs["min_queries"], images=attrs["images"], limit=attrs["images_at_most"],
        )  # fmt: skip
        kept = ImageSet.of(pool.ids[found.rows], found.similarity, found.cluster)
        words = (
            f"{len(kept):,} of {len(pool):,} from {len(found.chosen):,} of {attrs['clusters']:,} clusters, those that hold at least "
            f"{attrs['min_queries']:,} of the {len(queries):,} queries"
        )
        facts = {"queries": len(queries), "clusters": len(found.chosen)}
        return Result(kept, nothing(), words, facts)
