"""Retrieval of training images by test images, on frozen features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from graphssl.progress import progress
from graphssl.runtime.errors import RunError

if TYPE_CHECKING:
    from graphssl.evaluate.frozen import Labelled

_ROWS = 256
"""Queries that are ranked at once."""


def average_precision(relevant: Tensor) -> Tensor:
    """relevant (m n), bool, of ranked results -> (m), float64: the mean over relevant ones of the precision at their rank.

    Not a number where nothing is relevant.
    """
    hits = relevant.cumsum(1)
    ranks = torch.arange(1, relevant.shape[1] + 1, dtype=torch.float64)
    return (hits / ranks * relevant).sum(1) / hits[:, -1]


@torch.no_grad()
def retrieval(found: Labelled, *, k: int = 10) -> dict[str, Any]:
    """Test images as queries, training images ranked by cosine similarity, those of the query's class relevant.

    `mAP`: mean of the average precision of the whole ranking. `precision_at_k`: share of relevant ones among the first k.
    `recall_at_1`: share of queries whose first result is relevant. Queries of a class without training images are left out.
    Source: mAP as in the protocols of Oxford and Paris (arXiv:1803.11285), which DINO and DINOv2 report.
    Differs: those rank pictures of one landmark, leave "junk" images out of the ranking, and average trapezoids; here a class is
    what is relevant, nothing is junk, and precision is taken at each relevant rank.

    Raises:
        RunError: a k that is no number of training images.
    """
    if not 1 <= k <= len(found.bank):
        raise RunError(
            f"precision at {k} needs 1 to {len(found.bank)} training images: use --k {min(10, len(found.bank))}"
        )
    bank, queries = F.normalize(found.bank, dim=1), F.normalize(found.queries, dim=1)
    asked = torch.isin(found.labels, found.bank_labels)
    total = torch.zeros(3, dtype=torch.float64)
    with progress("queries", int(asked.sum())) as advance:
        for rows, labels in zip(queries[asked].split(_ROWS), found.labels[asked].split(_ROWS), strict=True):
            ranking = (rows @ bank.T).argsort(dim=1, descending=True, stable=True)
            relevant = found.bank_labels[ranking] == labels[:, None]  # m n
            scores = average_precision(relevant), relevant[:, :k].double().mean(1), relevant[:, 0].double()
            total += torch.stack(scores, dim=1).sum(0)
            advance(len(rows))
    precision, at_k, first = (total / int(asked.sum())).tolist()
    return {
        "mAP": precision,
        "precision_at_k": at_k,
        "k": k,
        "recall_at_1": first,
        **found.about,
        "queries": int(asked.sum()),
    }
