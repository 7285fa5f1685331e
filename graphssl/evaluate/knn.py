"""Weighted k-nearest-neighbour classification of frozen features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from graphssl.runtime.errors import RunError

if TYPE_CHECKING:
    from graphssl.evaluate.frozen import Labelled

KS = (1, 5, 10, 20, 50, 100, 200)
TEMPERATURES = (0.02, 0.05, 0.07, 0.1, 0.2, 0.5, 1.0)


def knn_accuracy(
    bank: Tensor, bank_labels: Tensor, queries: Tensor, labels: Tensor, *, k: int = 200, temperature: float = 0.1
) -> float:
    """Share of queries whose class the weighted vote of the k nearest bank rows gives, between 0 and 1.

        vote of class c = Σ over the k nearest with label c of exp(cos(query, neighbour) / temperature)

    bank (n d), bank_labels (n), queries (m d), labels (m). Source: instance discrimination (arXiv:1805.01978, section
    3.4); k = 200 and temperature 0.1 are MoCo's CIFAR demo's, DINO takes k = 20 and 0.07.
    Differs: none known. A k larger than the bank takes the whole bank.
    """
    return float(knn_accuracies(bank, bank_labels, queries, labels, ks=[k], temperatures=[temperature]))


@torch.no_grad()
def knn_accuracies(
    bank: Tensor,
    bank_labels: Tensor,
    queries: Tensor,
    labels: Tensor,
    *,
    ks: Sequence[int],
    temperatures: Sequence[float],
) -> Tensor:
    """The same for each k with each temperature (k t), float64; neighbours are looked for once."""
    classes = int(max(bank_labels.max(), labels.max())) + 1
    bank, queries = F.normalize(bank.float(), dim=1), F.normalize(queries.float(), dim=1)
    right = torch.zeros(len(ks), len(temperatures), dtype=torch.float64)
    for rows, truth in zip(queries.split(512), labels.split(512), strict=True):
        similarity, index = (rows @ bank.T).topk(min(max(ks), len(bank)), dim=1)  # m k
        neighbours = bank_labels[index]
        for j, temperature in enumerate(temperatures):
            weights = (similarity / temperature).exp()
            for i, k in enumerate(ks):
                votes = torch.zeros(len(rows), classes, device=rows.device)
                votes.scatter_add_(1, neighbours[:, :k], weights[:, :k])
                right[i, j] += int((votes.argmax(dim=1) == truth).sum())
    return right / len(labels)


def knn_sweep(found: Labelled) -> dict[str, Any]:
    """Top-1 at the k and temperature that are best on a held-out tenth of the training images; and every other, which one must not choose from.

    Raises DataError where there are too few images to hold a tenth out.
    """
    held = found.held_out()
    ks = [k for k in KS if k <= len(held.bank)]
    chosen_on, tested = (
        knn_accuracies(part.bank, part.bank_labels, part.queries, part.labels, ks=ks, temperatures=TEMPERATURES)
        for part in (held, found)
    )
    grid = [
        {"k": k, "temperature": t, "held_out": float(chosen_on[i, j]), "top1": float(tested[i, j])}
        for i, k in enumerate(ks)
        for j, t in enumerate(TEMPERATURES)
    ]
    best = max(grid, key=lambda cell: cell["held_out"])
    return {
        "top1": best["top1"],
        "k": best["k"],
        "temperature": best["temperature"],
        "chosen_on": len(held.queries),
        "best_on_test": max(cell["top1"] for cell in grid),
        "grid": grid,
        **found.about,
    }


def require_neighbours(k: int, temperature: float, bank: int) -> None:
    """Refuse settings that give no vote, or fewer neighbours than asked for."""
    if k < 1 or temperature <= 0:
        raise RunError("kNN needs k ≥ 1 and a temperature > 0")
    if k > bank:
        raise RunError(f"there are no {k} neighbours among {bank} training images: use --k {bank} or less")
