"""Images like the curated ones: the nearest to each, or those of the clusters they fall into.

Oquab et al. 2023, "DINOv2", arXiv:2304.07193, appendix A ("Retrieval").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphssl.curate.search import Neighbours, Similarities
from graphssl.curate.vectors import Ids


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
