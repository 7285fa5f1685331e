"""The clusters in which images of a curated set lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphssl.curate.stage import POOL, Given, Result, Search, Work
from graphssl.ir.signature import Input
from graphssl.language.fields import integer


class RetrieveClusters(Search):
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
        raise NotImplementedError
