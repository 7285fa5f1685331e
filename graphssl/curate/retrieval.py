"""Images like the curated ones: the nearest to each, or those of the clusters they fall into.

Oquab et al. 2023, "DINOv2", arXiv:2304.07193, appendix A ("Retrieval").
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from graphssl.curate.engine import Engine
from graphssl.curate.kmeans import CENTRES, assigned, kmeans
from graphssl.curate.search import Neighbours, Similarities
from graphssl.curate.shares import first_of_each, random_rank
from graphssl.curate.vectors import Ids, Vectors


@dataclass(frozen=True)
class Retrieved:
    """Rows that queries retrieved, each once.

    rows: (r) ascending. query: (r) the query that is nearest, of equal ones the first. similarity: (r) float32, of the two.
    collisions: how often a query retrieved what another had retrieved already.
    """

    rows: Ids
    query: Ids
    similarity: Similarities
    collisions: int


def retrieve_samples(neighbours: Neighbours, limit: int | None = None) -> Retrieved:
    """The union of all queries' neighbours.

    Args:
        neighbours: of the queries in the pool (the paper: 4 for each, 32 for landmarks).
        limit: rows at most: the most similar, of equal ones the first.
    """
    parts = [
        (ids[place], query := place[0] + start, found[place])
        for start, ids, found in neighbours
        for place in [np.nonzero(ids >= 0)]
    ]
    if not parts:
        return Retrieved(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32), 0)
    ids, query, similarity = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((query, -similarity, ids))
    rows, first = np.unique(ids[order], return_index=True)
    best = order[first]
    keep = np.sort(np.lexsort((rows, -similarity[best]))[:limit])
    return Retrieved(rows[keep], query[best][keep], similarity[best][keep], len(ids) - len(rows))


@dataclass(frozen=True)
class FromClusters:
    """Rows of the clusters that queries lie in, each once.

    rows: (r) ascending. cluster: (r) where each was taken from. similarity: (r) float32, to its cluster's centre. queries: (k) how many
    queries lie in each cluster. chosen: clusters that gave rows, ascending.
    """

    rows: Ids
    cluster: Ids
    similarity: Similarities
    queries: Ids
    chosen: Ids


def retrieve_clusters(
    engine: Engine,
    folder: Path,
    pool: Vectors,
    queries: Vectors,
    clusters: int,
    *,
    min_queries: int = 4,
    images: int = 10_000,
    limit: int | None = 1_000_000,
    iterations: int = 20,
    seed: int = 0,
) -> FromClusters:
    """Rows of the k-means clusters of the pool that hold enough queries. The defaults are the paper's.

    Args:
        folder: for the files of the clusters. clusters: of the pool (the paper: 100 000).
        min_queries: that a cluster must hold. images: that it gives, drawn by the seed; all where it has no more.
        limit: rows in all: a seeded draw of those, so that each cluster gives about the same share of its own.

    Differs: the paper does not say which images of a cluster it takes.

    Raises:
        RunError: there are fewer rows than clusters.
    """
    of_pool = kmeans(engine, folder / "pool", pool, clusters, iterations=iterations, seed=seed)
    of_queries = assigned(engine, folder / "queries", queries, folder / "pool" / CENTRES)
    gives = np.where(of_queries.sizes >= min_queries, images, 0)
    rank = random_rank(len(pool), "images", seed)
    rows = first_of_each(of_pool.cluster, rank, gives)
    rows = np.sort(rows[np.argsort(rank[rows])[:limit]])
    return FromClusters(
        rows, of_pool.cluster[rows], of_pool.similarity[rows], of_queries.sizes, np.unique(of_pool.cluster[rows])
    )
