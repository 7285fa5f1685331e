"""The list of images to train on, as Parquet: where each lies, and why it is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graphssl.curate.catalogue import Catalogue
from graphssl.curate.sets import NONE, ImageSet, union
from graphssl.data.place import Place
from graphssl.wholefile import whole

SCHEMA = pa.schema(
    [
        ("path", pa.string()),  # of a plain file
        ("shard", pa.string()),  # of a member of an archive or shard
        ("key", pa.string()),
        ("source", pa.string()),  # the `images` node it comes from
        ("reason", pa.string()),  # the node that chose it
        ("similarity", pa.float32()),  # to the image that it is like
        ("like", pa.string()),  # where that lies
        ("cluster", pa.int64()),
    ]
)
_ROWS = 100_000


def write_manifest(
    file: Path, images: Catalogue, sets: Sequence[tuple[str, ImageSet]]
) -> tuple[ImageSet, dict[str, int]]:
    """Write the images of these sets, each place once; the images, and how many are there for each set."""
    kept = union(one for _, one in sets)
    reasons = np.full(len(kept), len(sets))
    for number, (_, one) in reversed(list(enumerate(sets))):
        reasons[np.isin(kept.ids, one.ids)] = number
    order = np.lexsort((kept.ids, reasons))
    first: dict[Place, int] = {}
    for row in order.tolist():
        first.setdefault(images.place(int(kept.ids[row])), row)
    names = [name for name, _ in sets]
    with whole(file) as temporary, pq.ParquetWriter(temporary, SCHEMA) as writer:
        for rows in _blocks(list(first.items())):
            lines = [_line(images, kept, place, row, names[reasons[row]]) for place, row in rows]
            writer.write_table(pa.Table.from_pylist(lines, SCHEMA))
    chosen = np.zeros(len(kept), dtype=np.bool_)
    chosen[list(first.values())] = True
    return kept.where(chosen), {name: int((reasons[chosen] == number).sum()) for number, name in enumerate(names)}


def _blocks(rows: list[tuple[Place, int]]) -> Iterator[list[tuple[Place, int]]]:
    for start in range(0, max(len(rows), 1), _ROWS):
        yield rows[start : start + _ROWS]


def _line(images: Catalogue, kept: ImageSet, place: Place, row: int, reason: str) -> dict[str, object]:
    similarity, like, cluster = float(kept.similarity[row]), int(kept.like[row]), int(kept.cluster[row])
    return {
        "path": place.path or None,
        "shard": place.shard or None,
        "key": place.key or None,
        "source": images.of(int(kept.ids[row])).node.name,
        "reason": reason,
        "similarity": None if np.isnan(similarity) else similarity,
        "like": None if like == NONE else shown(images.place(like)),
        "cluster": None if cluster == NONE else cluster,
    }


def shown(place: Place) -> str:
    """A place in one text."""
    return place.path or f"{place.shard}/{place.key}"
