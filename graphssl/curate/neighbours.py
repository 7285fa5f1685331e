"""What stages that compare images have in common: rows of sets, and their neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphssl.curate.search import Neighbours, nearest
from graphssl.curate.sets import ImageSet, union
from graphssl.curate.stage import Work


def together(sets: Sequence[tuple[str, ImageSet]]) -> ImageSet:
    """The images of all sets that arrive at an input, without the reasons why they are there."""
    return union(one for _, one in sets).plain()


def neighbours(work: Work, attrs: Mapping[str, Any], base: ImageSet, queries: ImageSet, k: int) -> Neighbours:
    """The k nearest images of `base` to each of `queries`, by the stage's encoder and index."""
    rows = work.vectors(base, attrs["encoder"])
    asked = rows if base is queries else work.vectors(queries, attrs["encoder"])
    assert rows.chosen and asked.chosen
    folder = work.scratch("neighbours", rows.chosen.parent.name, asked.chosen.parent.name, k, attrs["index"])
    return nearest(work.engine, folder, rows, asked, k, index=attrs["index"])
