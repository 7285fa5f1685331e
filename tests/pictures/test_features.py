"""Which images are chosen, and who is near whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch

import graphssl
from graphssl.data.sources import open_data
from graphssl.pictures.features import both_sets, features_of, spread
from graphssl.pictures.neighbours import neighbours_sheet


def test_images_are_spread_over_the_classes_and_the_same_for_a_seed() -> None:
    source = open_data("shapes:32,256", "test")
    chosen = spread(source, 20)
    counts = Counter(source.label(index) for index in chosen)
    assert len(set(chosen)) == 20 and max(counts.values()) - min(counts.values()) <= 1
    assert chosen == spread(source, 20) != spread(source, 20, seed=1)
    assert sorted(spread(source, 9999)) == list(range(len(source)))


def test_a_set_without_a_split_is_both_and_no_image_is_its_own_neighbour(photos: Path) -> None:
    test, train, rest = both_sets(str(photos), 1)
    assert len(test) == len(train) == 3 and sorted([*rest, *spread(test, 1)]) == [0, 1, 2]


def test_neighbours_stand_in_the_order_of_their_similarity_and_are_framed_by_class(
    trained: Callable[[str], Path],
) -> None:
    encoder = graphssl.load_encoder(trained("simclr"))
    test, train, rest = both_sets("shapes:32,64", 2)
    queries, bank = features_of(encoder, test, [0, 1]), features_of(encoder, train, rest)
    sheet = neighbours_sheet(encoder, queries, bank, k=5)
    for row, query, label in zip(sheet.rows, queries.features, queries.labels, strict=True):
        cosines = torch.nn.functional.cosine_similarity(query[None], bank.features)
        order = cosines.argsort(descending=True)[:5]
        assert [cell.label[:4] for cell in row.cells[1:]] == [f"{cosines[i]:.2f}" for i in order]
        assert [cell.frame for cell in row.cells[1:]] == [
            "right" if bank.labels[i] == label else "wrong" for i in order
        ]
