"""Images and what a network holds nearest to them."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from graphssl.data.sources import ImageSource
from graphssl.evaluate.encoder import RunEncoder
from graphssl.pictures.features import Features, picture_of
from graphssl.pictures.sheet import Cell, Row, Sheet
from graphssl.runtime.errors import RunError


def neighbours_sheet(encoder: RunEncoder, queries: Features, bank: Features, *, k: int = 8) -> Sheet:
    """Each query, then the k images of the bank whose features are nearest by cosine, with similarity and class.

    A frame says whether the class is the query's; without labels there is none.

    Raises:
        RunError: k below 1 or above the size of the bank.
    """
    if not 1 <= k <= len(bank.features):
        raise RunError(f"k is between 1 and the {len(bank.features)} images there are, got {k}")
    found, index = similarities(queries.features, bank.features).topk(k, dim=1)  # n k
    rows, right = [], 0
    for i in range(len(found)):
        cells = [Cell(picture_of(queries.source, queries.indices[i]), _name(queries.source, queries.indices[i]))]
        for similarity, j in zip(found[i].tolist(), index[i].tolist(), strict=True):
            same = bank.labels[j] == queries.labels[i]
            right += bool(same)
            name = _name(bank.source, bank.indices[j])
            frame = ("right" if same else "wrong") if queries.source.classes else ""
            cells.append(Cell(picture_of(bank.source, bank.indices[j]), f"{similarity:.2f} {name}".strip(), frame))
        rows.append(Row(tuple(cells)))
    share = (
        f"; {right / (len(rows) * k):.0%} of these neighbours are of the query's class"
        if queries.source.classes
        else ""
    )
    return Sheet(
        f"Nearest neighbours by {encoder.graph.represent} of {encoder.graph.name}",
        f"{len(rows)} test images, and the nearest of {len(bank.features)} training images with their cosine similarity{share}",
        ("test image", *(f"{i}." for i in range(1, k + 1))),
        tuple(rows),
    )


def similarities(queries: Tensor, bank: Tensor) -> Tensor:
    """Cosines (n m) of rows (n d) and (m d)."""
    return F.normalize(queries, dim=1) @ F.normalize(bank, dim=1).T


def _name(source: ImageSource, index: int) -> str:
    return source.classes[source.label(index)] if source.classes else ""
