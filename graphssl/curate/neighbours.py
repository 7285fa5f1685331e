"""What stages that compare images have in common: rows of sets, and their neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphssl.curate.search import Neighbours, nearest
from graphssl.curate.sets import NONE, ImageSet, union
from graphssl.curate.stage import Work
from graphssl.curate.vectors import Vectors


def together(sets: Sequence[tuple[str, ImageSet]]) -> ImageSet:
    """The images of all sets that arrive at an input, without the reasons why they are there."""
    return union(one for _, one in sets).plain()


def rows_of(work: Work, attrs: Mapping[str, Any], *sets: ImageSet) -> tuple[list[Vectors], list[str]]:
    """The rows of sets by the stage's encoder, and a name for which rows these are."""
    made = {id(one): work.vectors(one, attrs["encoder"]) for one in sets}
    rows = [made[id(one)] for one in sets]
    return rows, [one.chosen.parent.name for one in rows if one.chosen]


def neighbours(work: Work, attrs: Mapping[str, Any], base: ImageSet, queries: ImageSet, k: int) -> Neighbours:
    """The k nearest images of `base` to each of `queries`, by the stage's encoder and index."""
    (rows, asked), names = rows_of(work, attrs, base, queries)
    settings = {name: attrs[name] for name in ("index", "probes", "candidates")}
    return nearest(work.engine, work.scratch("neighbours", *names, k, settings), rows, asked, k, **settings)


def most_like(near: Neighbours, base: ImageSet, queries: ImageSet) -> ImageSet:
    """Each query with the image of `base` that is nearest to it."""
    first = [(ids[:, 0], similarity[:, 0]) for _, ids, similarity in near]
    rows, similarity = (np.concatenate(column) for column in zip(*first, strict=True))
    there = rows >= 0
    none = np.full(len(queries), NONE, dtype=np.int64)
    return ImageSet(
        queries.ids, np.where(there, similarity, np.float32(np.nan)), none, np.where(there, base.ids[rows], NONE)
    )


def doubt(what: str, count: int, pool: ImageSet) -> str:
    """What to say where copies are more than one expects, a twentieth of the pool: chains of images that are merely alike."""
    if count <= max(20, len(pool) // 20):
        return ""
    return f"; {what}: is the threshold too low for this encoder? The report shows pairs around it"
