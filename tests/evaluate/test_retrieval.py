"""Retrieval against a slow loop, scikit-learn, and a case worked out by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from sklearn.metrics import average_precision_score

from graphssl.evaluate import retrieval as module
from graphssl.evaluate.frozen import Labelled
from graphssl.evaluate.retrieval import average_precision, retrieval
from graphssl.runtime.errors import RunError


def test_average_precision_by_hand() -> None:
    relevant = torch.tensor([[True, False, True, False], [False, False, False, True], [True, True, False, False]])
    assert average_precision(relevant).tolist() == [(1 + 2 / 3) / 2, 1 / 4, 1.0]


@pytest.mark.parametrize("block", [7, 256])
def test_it_equals_a_slow_loop_and_scikit_learn(
    clusters: Callable[..., Labelled], monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(module, "_ROWS", block)
    found = clusters(15, 8, 3.0)
    precisions, at_k, firsts, theirs = [], [], [], []
    for query, label in zip(found.queries, found.labels.tolist(), strict=True):
        similarity = [float(torch.cosine_similarity(query, row, dim=0)) for row in found.bank]
        order = sorted(range(len(similarity)), key=lambda i: -similarity[i])
        hits = [int(found.bank_labels[i]) == label for i in order]
        seen = [sum(hits[: rank + 1]) / (rank + 1) for rank in range(len(hits)) if hits[rank]]
        precisions.append(sum(seen) / len(seen))
        at_k.append(sum(hits[:6]) / 6)
        firsts.append(hits[0])
        theirs.append(average_precision_score((found.bank_labels == label).numpy(), similarity))
    result = retrieval(found, k=6)
    count = len(found.labels)
    assert result["mAP"] == pytest.approx(sum(precisions) / count) == pytest.approx(sum(theirs) / count)
    assert result["precision_at_k"] == pytest.approx(sum(at_k) / count)
    assert result["recall_at_1"] == pytest.approx(sum(firsts) / count)


def test_a_query_without_anything_to_find_is_left_out() -> None:
    bank, labels = torch.eye(2), torch.tensor([0, 1])
    found = Labelled(("a", "b", "c"), (bank, labels), (torch.eye(2), torch.tensor([0, 2])), {})
    assert retrieval(found, k=1) == {
        "mAP": 1.0,
        "precision_at_k": 1.0,
        "k": 1,
        "recall_at_1": 1.0,
        "bank": 2,
        "queries": 1,
    }


@pytest.mark.parametrize("k", [0, 46])
def test_a_k_that_is_no_number_of_images_is_refused(clusters: Callable[..., Labelled], k: int) -> None:
    with pytest.raises(RunError, match="use --k 10"):
        retrieval(clusters(15, 2), k=k)
