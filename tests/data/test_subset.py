"""A share of the images: balanced, nested, and the same for a seed."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from graphssl.data.sources import open_data
from graphssl.data.subset import Subset, balanced_share


class Uneven:
    """Class 0 has 100 images, class 1 has 10, class 2 has one, and three have no label."""

    name, classes = "uneven", ("a", "b", "c")
    labels = [0] * 100 + [1] * 10 + [2] + [-1] * 3

    def __len__(self) -> int:
        return len(self.labels)

    def label(self, index: int) -> int:
        return self.labels[index]

    def describe(self, index: int) -> str:
        return f"image {index}"

    def load(self, index: int) -> torch.Tensor:
        return torch.full((3, 1, 1), index, dtype=torch.uint8)


def chosen(share: float, seed: int = 0) -> list[int]:
    found = balanced_share(Uneven(), share, seed=seed)
    assert isinstance(found, Subset)
    return found.indices


def test_each_class_gives_the_same_share_and_at_least_one() -> None:
    counts = Counter(Uneven.labels[i] for i in chosen(0.1))
    assert counts == {0: 10, 1: 1, 2: 1, -1: 1}


def test_a_seed_always_gives_the_same_images_and_another_one_others() -> None:
    assert chosen(0.3) == chosen(0.3) == sorted(chosen(0.3))
    assert chosen(0.3) != chosen(0.3, seed=1)


def test_a_smaller_share_is_a_part_of_a_larger_one() -> None:
    assert set(chosen(0.01)) < set(chosen(0.1)) < set(chosen(0.5))


def test_the_whole_is_the_source_itself_and_a_part_keeps_its_images() -> None:
    source = Uneven()
    assert balanced_share(source, 1.0, seed=0) is source
    part = balanced_share(source, 0.1, seed=0)
    for i, original in enumerate(chosen(0.1)):
        assert part.label(i) == source.label(original) and part.describe(i) == f"image {original}"
        assert part.load(i)[0, 0, 0] == original


def test_ten_percent_of_shapes_are_balanced() -> None:
    part = balanced_share(open_data("shapes:32,1000"), 0.1, seed=0)
    assert Counter(part.label(i) for i in range(len(part))) == dict.fromkeys(range(10), 10)


@pytest.mark.parametrize(("text", "share"), [("10%", 0.1), ("1%", 0.01), ("0.5%", 0.005), ("100%", 1.0)])
def test_train_images_reads_a_share(text: str, share: float) -> None:
    import graphssl

    train = graphssl.load("simclr@quick", {"train.images": text}).checked_graph().train
    assert train is not None and train.images == pytest.approx(share)
    assert graphssl.load("simclr@quick").checked_graph().train.images == 1.0  # type: ignore[union-attr]


@pytest.mark.parametrize("wrong", ["10", "0%", "0.0%", "200%", "-5%"])
def test_train_images_refuses_what_is_no_share(wrong: str) -> None:
    import graphssl

    assert [
        f.code
        for f in graphssl.check(
            f"graphssl: 1\nextends: simclr@quick\nname: m\ntrain: {{images: '{wrong}'}}\n", static=True
        )
    ] == ["wrong-value"]
