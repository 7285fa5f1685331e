"""Sets of images as numbers: what flows between the stages of a curation, and how it lies on disk."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from graphssl.runtime.errors import RunError
from graphssl.wholefile import whole

Ids = NDArray[np.int64]
"""(n) images: the number of the `images` node in the high bits, the place in its canonical order in the low 40."""

BITS = 40
NONE = -1

_COLUMNS = {"id": np.int64, "similarity": np.float32, "cluster": np.int64, "like": np.int64}


def ids_of(node: int, numbers: NDArray[np.int64]) -> Ids:
    """The images with these numbers of the `images` node with this number."""
    return np.int64(node << BITS) | numbers.astype(np.int64)


@dataclass(frozen=True)
class ImageSet:
    """Images in the order of their ids, each once, and why each is in the set.

    Attributes:
        ids: (n), ascending.
        similarity: (n) float32, cosine to `like`; NaN where there is none.
        cluster: (n) the cluster it was taken from, or -1.
        like: (n) the id of the image that it is like, or -1: the query that it was retrieved for, what it is a copy of.
    """

    ids: Ids
    similarity: NDArray[np.float32]
    cluster: NDArray[np.int64]
    like: Ids

    @classmethod
    def of(
        cls,
        ids: Ids,
        similarity: NDArray[np.float32] | None = None,
        cluster: NDArray[np.int64] | None = None,
        like: Ids | None = None,
    ) -> ImageSet:
        """From images in any order, each once."""
        none = np.full(len(ids), NONE, dtype=np.int64)
        similarity = np.full(len(ids), np.nan, dtype=np.float32) if similarity is None else similarity
        whole = cls(ids, similarity, none if cluster is None else cluster, none if like is None else like)
        return whole.where(np.argsort(ids, kind="stable"))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def digest(self) -> str:
        """A short name for which images these are."""
        return blake2b(self.ids.tobytes(), digest_size=8).hexdigest()

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> ImageSet:
        """These of the images, by a mask or by their rows."""
        return ImageSet(self.ids[chosen], self.similarity[chosen], self.cluster[chosen], self.like[chosen])

    def plain(self) -> ImageSet:
        """The same images without reasons."""
        return ImageSet.of(self.ids)

    def write(self, file: Path) -> None:
        columns = (self.ids, self.similarity, self.cluster, self.like)
        with whole(file) as temporary:
            pq.write_table(pa.table(dict(zip(_COLUMNS, columns, strict=True))), temporary)

    @classmethod
    def read(cls, file: Path) -> ImageSet:
        """Raises RunError where the file is damaged."""
        try:
            table = pq.read_table(file)
            columns = {name: table[name].to_numpy().astype(kind) for name, kind in _COLUMNS.items()}
            return cls(columns["id"], columns["similarity"], columns["cluster"], columns["like"])
        except (OSError, pa.ArrowException, KeyError) as error:
            raise RunError(
                f"`{file}` cannot be read ({error}): remove `{file.with_name('done.json')}`, and give the same command again"
            ) from None


def union(sets: Iterable[ImageSet]) -> ImageSet:
    """All images of these sets, each with the reason of the first set that holds it."""
    found = list(sets)
    ids, first = np.unique(np.concatenate([one.ids for one in found]), return_index=True)
    similarity, cluster, like = (
        np.concatenate([getattr(one, name) for one in found])[first] for name in ("similarity", "cluster", "like")
    )
    return ImageSet(ids, similarity, cluster, like)


def nothing() -> ImageSet:
    return ImageSet.of(np.empty(0, dtype=np.int64))
