"""Spherical k-means by Faiss: centres, and the centre of each row. Trained on a sample, as large as centres can use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np

from graphssl.curate.arrays import mapped, read_arrays, write_array, write_arrays
from graphssl.curate.engine import Block, Engine, blocks_of
from graphssl.curate.index import ROWS, knn, one_thread, sample
from graphssl.curate.search import Similarities
from graphssl.curate.vectors import Ids, Rows, Vectors
from graphssl.data.philox import key_of
from graphssl.runtime.errors import RunError

CENTRES = "centres.npy"

FOR_EACH = 256
"""Rows of the sample for each centre; more move it little (Faiss's own choice)."""


@dataclass(frozen=True)
class Clusters:
    """Rows and their centres.

    centres: (k d) of unit length. cluster: (n) the nearest centre of each row. similarity: (n) float32, the cosine of the two.
    """

    centres: Rows
    cluster: Ids
    similarity: Similarities

    @property
    def sizes(self) -> Ids:
        """(k) rows of each cluster."""
        return np.bincount(self.cluster, minlength=len(self.centres))


def kmeans(
    engine: Engine, folder: Path, rows: Vectors, clusters: int, *, iterations: int = 20, seed: int = 0
) -> Clusters:
    """k-means of rows of unit length, by cosine: `train`, then every row gets its centre.

    The same arguments give the same bytes; `folder` is for one set of them. Raises RunError where there are fewer rows than clusters.
    """
    file = folder / CENTRES
    train(engine, file, rows, clusters, iterations=iterations, seed=seed)
    return assigned(engine, folder, rows, file)


def train(engine: Engine, file: Path, rows: Vectors, clusters: int, *, iterations: int, seed: int) -> None:
    """Write centres (k d) to an .npy.

    One unit of work and one thread, on at most 256 rows for each centre, drawn by the seed. The first centres are those of k-means++ by Markov
    chains (Bachem et al. 2016, "Fast and Provably Good Seedings for k-Means"): among rows drawn evenly, none may be of a rare kind. Memory:
    4 d (256 k + k) bytes. Raises RunError where there are fewer rows than clusters.
    """
    if len(rows) < clusters:
        raise RunError(f"{len(rows)} images cannot make {clusters} clusters: ask for fewer clusters")
    engine.run(Training(rows, clusters, iterations, seed).work, [Centres(file)], "clustering")


def assigned(engine: Engine, folder: Path, rows: Vectors, centres: Path) -> Clusters:
    """The nearest centre of each row; centres is an .npy (k d)."""
    blocks = blocks_of(folder, "clusters", len(rows), ROWS)
    engine.run(Assignment(rows, centres).block, blocks, "assigning clusters")
    cluster, similarity = np.empty(len(rows), np.int64), np.empty(len(rows), np.float32)
    for block in blocks:
        found = read_arrays(block.file)
        cluster[block.start : block.stop], similarity[block.start : block.stop] = found["cluster"], found["similarity"]
    return Clusters(np.array(mapped(centres)), cluster, similarity)


@dataclass(frozen=True)
class Centres:
    """The file of centres."""

    file: Path


@dataclass(frozen=True)
class Training:
    """What makes centres; see `kmeans`."""

    rows: Vectors
    clusters: int
    iterations: int
    seed: int

    def work(self, unit: Centres) -> None:
        """Train on the sample."""
        rows = self.rows.take(sample(self.seed, len(self.rows), FOR_EACH * self.clusters))
        made = faiss.Kmeans(
            self.rows.width,
            self.clusters,
            niter=self.iterations,
            seed=key_of("kmeans", self.seed)[0] >> 1,  # Faiss takes 31 bits
            spherical=True,
            init_method=faiss.ClusteringInitMethod_AFK_MC2,
            gpu=faiss.get_num_gpus() > 0,
            min_points_per_centroid=1,
            max_points_per_centroid=FOR_EACH,
        )
        with one_thread():
            made.train(rows)
        write_array(unit.file, np.asarray(made.centroids))


@dataclass(frozen=True)
class Assignment:
    """What is done with a block of rows; see `assigned`."""

    rows: Vectors
    centres: Path

    def block(self, unit: Block) -> None:
        """Write the clusters of a block."""
        with one_thread():
            similarity, cluster = knn(self.rows.rows(unit.start, unit.stop), np.array(mapped(self.centres)), 1)
        write_arrays(unit.file, cluster=cluster[:, 0], similarity=similarity[:, 0])
