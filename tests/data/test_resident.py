"""A data set that lies on the device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from graphssl.data import resident as residence
from graphssl.data.augment import Augmenter, ViewPlan
from graphssl.data.loader import train_loader
from graphssl.data.resident import Resident, resident
from graphssl.data.sampler import EpochSampler
from graphssl.data.sources import BadImage, ImageSource, open_data

CPU = torch.device("cpu")


@pytest.fixture
def source(class_folder: Path, monkeypatch: pytest.MonkeyPatch) -> ImageSource:
    """Ten images of 24 x 20 px, the third of which is bad, decoded in parts of four."""
    monkeypatch.setattr(residence, "PART", 4)
    (class_folder / "cat" / "2.png").write_bytes(b"")
    return open_data(str(class_folder))


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_those_of_the_source(source: ImageSource, plan: Callable[..., ViewPlan], workers: int) -> None:
    there = resident(source, CPU, limit_bytes=10 * 3 * 24 * 20, workers=workers)
    assert isinstance(there, Resident)
    assert (len(there), there.classes, there.label(9), there.describe(9)) == (10, source.classes, 1, source.describe(9))
    makers = Augmenter({"v": plan("simclr", 16, "v")}, seed=3).makers
    how = {"first_step": 0, "last_step": 6, "workers": 0}
    pairs = zip(train_loader(source, EpochSampler(10, 5), makers, **how),
                train_loader(there, EpochSampler(10, 5), makers, **how, device=CPU), strict=True)  # fmt: skip
    for a, b in pairs:
        assert torch.equal(a.views["v"], b.views["v"]) and torch.equal(a.indices, b.indices) and a.bad == b.bad
    with pytest.raises(BadImage, match="is empty"):
        there.load(2)


def test_what_does_not_fit_or_is_not_of_one_size_stays_where_it_is(
    source: ImageSource, class_folder: Path, write_image: Callable[..., None]
) -> None:
    assert resident(source, CPU, limit_bytes=10 * 3 * 24 * 20 - 1, workers=0) is None
    write_image(class_folder / "dog" / "4.png", size=(20, 24))
    assert resident(source, CPU, limit_bytes=1 << 30, workers=0) is None
