"""Weighted k-nearest-neighbour classification of frozen features."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


@torch.no_grad()
def knn_accuracy(
    bank: Tensor, bank_labels: Tensor, queries: Tensor, labels: Tensor, *, k: int = 200, temperature: float = 0.1
) -> float:
    """Share of queries whose class the weighted vote of the k nearest bank rows gives, between 0 and 1.

        vote of class c = Σ over the k nearest with label c of exp(cos(query, neighbour) / temperature)

    bank (n d), bank_labels (n), queries (m d), labels (m). Source: instance discrimination (arXiv:1805.01978, section
    3.4); k = 200 and temperature 0.1 are MoCo's CIFAR demo's, DINO takes k = 20 and 0.07.
    Differs: none known. A k larger than the bank takes the whole bank.
    """
    classes = int(max(bank_labels.max(), labels.max())) + 1
    bank, queries = F.normalize(bank.float(), dim=1), F.normalize(queries.float(), dim=1)
    right = 0
    for rows, truth in zip(queries.split(512), labels.split(512), strict=True):
        similarity, index = (rows @ bank.T).topk(min(k, len(bank)), dim=1)  # m k
        weights = (similarity / temperature).exp()
        votes = torch.zeros(len(rows), classes, device=rows.device)
        votes.scatter_add_(1, bank_labels[index], weights)
        right += int((votes.argmax(dim=1) == truth).sum())
    return right / len(labels)
