"""Classification from a few labelled images of each class, on frozen features."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from graphssl.data.philox import key_of, permutation
from graphssl.evaluate.logistic import accuracy, fitted
from graphssl.progress import progress
from graphssl.runtime.errors import RunError

if TYPE_CHECKING:
    from graphssl.evaluate.frozen import Labelled


def drawn(labels: Tensor, shots: int, draw: int) -> Tensor:
    """The places of so many images of each class; always the same for a draw, and more shots have the fewer in them."""
    order = torch.from_numpy(permutation(key_of("shots", draw), 0, len(labels)))
    return torch.cat([order[labels[order] == label][:shots] for label in labels.unique()])


def class_means_accuracy(bank: Tensor, bank_labels: Tensor, queries: Tensor, labels: Tensor) -> float:
    """Share of queries whose nearest class mean is that of their class, between 0 and 1; rows (n d) of length 1.

    Source: SimpleShot (arXiv:1911.04623), features of length 1 (L2N). Differs: none known.
    """
    present = bank_labels.unique()
    means = torch.stack([bank[bank_labels == label].mean(0) for label in present])
    nearest = torch.cdist(queries, means).argmin(dim=1)
    return float((present[nearest] == labels).double().mean())


def few_shot(found: Labelled, *, shots: Sequence[int] = (1, 2, 5, 10), draws: int = 5) -> dict[str, Any]:
    """Mean and standard deviation (of a sample) over draws of top-1 on all test images, of two classifiers of features of length 1.

    `class_means`: the nearest class mean. `logistic`: logistic regression with C 1, since there is nothing to choose it on.
    Source: SimpleShot (arXiv:1911.04623) and RFS (arXiv:2003.11539, logistic regression on features of length 1).
    Differs: all classes and all test images, where these draw episodes of five classes.

    Raises:
        RunError: a class has fewer images than shots are asked for.
    """
    count = torch.bincount(found.bank_labels, minlength=len(found.classes))
    fewest = int(count.argmin())
    if min(shots, default=0) < 1 or draws < 1:
        raise RunError("few-shot needs at least one shot and one draw")
    if max(shots) > count[fewest]:
        what = f"the class `{found.classes[fewest]}` has {int(count[fewest])} training images"
        raise RunError(f"{what}, fewer than {max(shots)} shots: use fewer --shots")
    bank, queries = F.normalize(found.bank, dim=1), F.normalize(found.queries, dim=1)
    results = []
    with progress("draws", len(shots) * draws) as advance:
        for number in sorted(set(shots)):
            scores: dict[str, list[float]] = {"class_means": [], "logistic": []}
            for draw in range(draws):
                chosen = drawn(found.bank_labels, number, draw)
                rows, labels = bank[chosen], found.bank_labels[chosen]
                scores["class_means"].append(class_means_accuracy(rows, labels, queries, found.labels))
                scores["logistic"].append(accuracy(fitted(rows, labels, 1.0, 1000)[0], queries, found.labels))
                advance(1)
            results.append({"shots": number, **{name: _spread(values) for name, values in scores.items()}})
    return {"draws": draws, "results": results, **found.about}


def _spread(values: list[float]) -> dict[str, Any]:
    return {"mean": mean(values), "std": stdev(values) if len(values) > 1 else None, "draws": values}
