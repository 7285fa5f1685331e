"""Copies among images, and copies of other images: components of the graph of near neighbours.

Oquab et al. 2023, "DINOv2", arXiv:2304.07193, appendix A ("Deduplication"). Neighbours are given; `search.py` finds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from graphssl.curate.search import Neighbours, Similarities
from graphssl.curate.vectors import Ids

Edges = tuple[Ids, Ids, Similarities]
"""(e) each: two rows and their similarity."""


@dataclass(frozen=True)
class Copies:
    """Which rows are copies, and of which.

    original: (n) the row of its component that stays; a row that stays has itself. similarity: (n) float32, of the row to the
    nearest of its component, -inf where it is alone. component: (n) its component, numbered in the order of the rows that stay.
    """

    original: Ids
    similarity: Similarities
    component: Ids

    @property
    def kept(self) -> Ids:
        """Rows that stay, ascending."""
        return np.flatnonzero(self.original == np.arange(len(self.original)))

    @property
    def dropped(self) -> Ids:
        """Copies of rows that stay, ascending."""
        return np.flatnonzero(self.original != np.arange(len(self.original)))


def copies(neighbours: Neighbours, similarity: float, preferred: Ids | None = None) -> Copies:
    """Self-deduplication: one row of each connected component of the graph whose edges join near neighbours above `similarity`.

    Memory: some 100 bytes a row, beside the edges, of which as many as there are rows are held at a time.

    Args:
        neighbours: of rows among themselves (the paper: the 64 nearest, above 0.6).
        preferred: (n) all rows, those first that should stay; the order of their numbers where there is none.
    """
    components = Components(len(neighbours))
    for edges in edges_above(neighbours, similarity):
        components.join(edges)
    rank = np.arange(len(neighbours))
    if preferred is not None:
        rank[preferred] = np.arange(len(neighbours))
    labels = components.labels()
    first = np.full(labels.max(initial=-1) + 1, len(neighbours))
    np.minimum.at(first, labels, rank)
    by_rank = np.arange(len(neighbours)) if preferred is None else preferred
    original = by_rank[first[labels]]
    return Copies(original, components.strongest, np.unique(original, return_inverse=True)[1])


@dataclass(frozen=True)
class Touching:
    """Rows of components that hold a reference.

    rows: (t) ascending. through: (t) the row of its component that is nearest to a reference; itself where it touches one.
    reference: (t) the reference that `through` is nearest to. similarity: (t) float32, of `through` and `reference`.
    """

    rows: Ids
    through: Ids
    reference: Ids
    similarity: Similarities


def copies_of(within: Neighbours, references: Neighbours, similarity: float) -> Touching:
    """Relative deduplication: the rows of every component of rows and references that holds a reference.

    A row has an edge to some reference exactly if it has one to its nearest, so one neighbour among the references is enough; two rows
    that are joined by references only touch one each.

    Args:
        within: neighbours of rows among themselves. references: the nearest reference (k of 1 or more) to each row.
        similarity: the paper: 0.45.
    """
    components = Components(len(within))
    for edges in edges_above(within, similarity):
        components.join(edges)
    near = np.concatenate([ids[:, 0] for _, ids, _ in references])
    close = np.concatenate([found[:, 0] for _, _, found in references])
    touches = close > similarity
    labels = components.labels()
    best = np.full(labels.max(initial=-1) + 1, -1)
    order = np.flatnonzero(touches)
    order = order[
        np.lexsort((-order, close[order]))
    ]  # the last written stays: the nearest, of equal ones the first row
    best[labels[order]] = order
    rows = np.flatnonzero(best[labels] >= 0)
    through = np.where(touches[rows], rows, best[labels[rows]])
    return Touching(rows, through, near[through], close[through])


def edges_above(neighbours: Neighbours, similarity: float) -> Iterator[Edges]:
    """Edges of the graph of neighbours, a block at a time."""
    for start, ids, found in neighbours:
        query, place = np.nonzero(found > similarity)
        yield query + start, ids[query, place], found[query, place]


class Components:
    """Connected components of n rows, to which edges are added a block at a time."""

    def __init__(self, rows: int) -> None:
        self.strongest = np.full(rows, -np.inf, np.float32)
        """(n) the similarity of each row's strongest edge."""
        self._labels = np.arange(rows)
        self._ends = [np.empty((2, 0), np.int64)]
        """(2 e) edges that are not in the labels yet."""

    def join(self, edges: Edges) -> None:
        """Add edges."""
        *ends, similarity = edges
        for rows in ends:
            np.maximum.at(self.strongest, rows, similarity)
        self._ends.append(np.stack(ends))
        if sum(waiting.shape[1] for waiting in self._ends) >= len(self._labels):
            self._merge()

    def labels(self) -> Ids:
        """(n) the number of each row's component: 0, 1, ..."""
        self._merge()
        return self._labels

    def _merge(self) -> None:
        """Join the components that edges connect."""
        left, right = self._labels[np.concatenate(self._ends, axis=1)]
        count = self._labels.max(initial=-1) + 1
        graph = csr_matrix((np.ones(len(left), np.bool_), (left, right)), shape=(count, count))
        self._labels = connected_components(graph, directed=False)[1].astype(np.int64)[self._labels]
        self._ends = self._ends[:1]
