"""A balanced sample of a pool without labels or queries: hierarchical k-means with resampling, then sampling down the tree.

Vo et al. 2024, "Automatic Data Curation for Self-Supervised Learning: A Clustering-Based Approach", arXiv:2405.15613, section 3.
Authors' code: facebookresearch/ssl-data-curation.
Differs: at every level spherical k-means, from an approximate k-means++, trained on at most 256 rows for each centre (they: Euclidean, from
k-means++, on all rows); and no level is made of an earlier one by splitting each cluster, as they do to reach ten million.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graphssl.curate.engine import Engine
from graphssl.curate.kmeans import CENTRES, assigned, kmeans, train
from graphssl.curate.shares import first_of_each, random_rank, shared_out
from graphssl.curate.vectors import Ids, Vectors

CHOSEN = "chosen.npy"


@dataclass(frozen=True)
class Hierarchy:
    """A tree of clusters. parents: by level, the cluster of each row (n), then the cluster of each cluster of the level before."""

    parents: tuple[Ids, ...]
    levels: tuple[int, ...]

    def sizes(self) -> list[Ids]:
        """By level, how many rows each cluster holds."""
        found, below = [], np.ones(len(self.parents[0]), np.int64)
        for parent, count in zip(self.parents, self.levels, strict=True):
            below = np.bincount(parent, weights=below, minlength=count).astype(np.int64)
            found.append(below)
        return found


@dataclass(frozen=True)
class Sampled:
    """rows: (s) ascending. clusters: (s levels) the cluster of each at every level, the finest first."""

    rows: Ids
    clusters: NDArray[np.int64]


def hierarchy(
    engine: Engine,
    folder: Path,
    rows: Vectors,
    levels: Sequence[int],
    *,
    resampling_steps: int = 10,
    resampled: int = 5,
    iterations: int = 20,
    seed: int = 0,
) -> Hierarchy:
    """Clusters of rows, clusters of their centres, and so on (the paper's algorithm 1).

    k-means puts more centres where rows are dense, and so do the centres of centres, if less. Clustering each level again on a few rows of
    each of its own clusters pulls centres towards an even spread over all that there is.

    Args:
        folder: for the files of each level and step; for one set of arguments. levels: clusters of each, the finest first.
        resampling_steps: how often a level is clustered again. resampled: rows that each cluster gives for that, those nearest to its centre.

    Raises:
        RunError: a level has fewer rows than clusters.
    """
    parents = []
    for number, clusters in enumerate(levels, 1):
        here = folder / f"level-{number}"
        found = kmeans(engine, here / "step-0", rows, clusters, iterations=iterations, seed=seed)
        centres = here / "step-0" / CENTRES
        for step in range(1, resampling_steps + 1):
            nearest = first_of_each(found.cluster, -found.similarity, np.full(clusters, resampled))
            if len(nearest) <= clusters:  # every row would be its own centre
                break
            centres = here / f"step-{step}" / CENTRES
            few = rows.subset(nearest, centres.with_name(CHOSEN))
            train(engine, centres, few, clusters, iterations=iterations, seed=seed + step)
            found = assigned(engine, centres.parent, rows, centres)
        parents.append(found.cluster)
        rows = Vectors.of([centres])
    return Hierarchy(tuple(parents), tuple(levels))


def sample_hierarchy(tree: Hierarchy, images: int, seed: int = 0) -> Sampled:
    """So many rows, as evenly from the clusters of each level as they can give (the paper's section 3.4).

    The coarsest clusters share the target out evenly, each to at most what it holds; each shares its part out to its own clusters, down to
    the finest, which draw rows by the seed. All rows where there are no more.
    """
    sizes = tree.sizes()
    shares = shared_out(images, sizes[-1], random_rank(len(sizes[-1]), "clusters", len(sizes), seed))
    for level in range(len(sizes) - 2, -1, -1):
        rank = random_rank(len(sizes[level]), "clusters", level + 1, seed)
        shares = _passed_down(shares, tree.parents[level + 1], sizes[level], rank)
    rows = first_of_each(tree.parents[0], random_rank(len(tree.parents[0]), "images", seed), shares)
    clusters = [tree.parents[0][rows]]
    for parent in tree.parents[1:]:
        clusters.append(parent[clusters[-1]])
    return Sampled(rows, np.stack(clusters, axis=1))


def _passed_down(shares: Ids, parent: Ids, sizes: Ids, rank: Ids) -> Ids:
    """The share of each cluster, of those of the level above."""
    found = np.zeros_like(sizes)
    order = np.argsort(parent, kind="stable")
    for share, children in zip(shares, np.split(order, np.cumsum(np.bincount(parent, minlength=len(shares)))[:-1])):
        if len(children):
            found[children] = shared_out(int(share), sizes[children], rank[children])
    return found
