from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from graphssl.data.errors import DataError
from graphssl.data.philox import uniforms
from graphssl.data.shapes import OUTLINES, _mask
from graphssl.data.sources import open_data


def test_the_defaults_are_8000_and_2000_images_of_ten_classes() -> None:
    train, test = open_data("shapes"), open_data("shapes", "test")
    assert (len(train), len(test), len(train.classes)) == (8000, 2000, 10)
    assert train.load(0).shape == (3, 32, 32) and train.load(0).dtype == torch.uint8
    counts = torch.bincount(torch.tensor([train.label(i) for i in range(len(train))]))
    assert counts.tolist() == [800] * 10
    assert train.describe(8) == "shapes/train/00008 (star)"


def test_size_and_count_can_be_given() -> None:
    source = open_data("shapes:48,40", "test")
    assert len(source) == 10 and source.load(3).shape == (3, 48, 48)
    assert len(open_data("shapes:16")) == 8000


@pytest.mark.parametrize("text", ["shapes:", "shapes:a", "shapes:32,1,2", "shapes:4,100", "shapes:32,5", "shapes:-3"])
def test_wrong_spellings_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(DataError, match=r"SIZE"):
        open_data(text)


def test_an_image_is_a_function_of_seed_split_and_index() -> None:
    source = open_data("shapes")
    assert torch.equal(source.load(17), open_data("shapes:32,500").load(17))
    assert not torch.equal(source.load(17), source.load(27))
    assert not torch.equal(source.load(17), open_data("shapes", seed=1).load(17))
    assert not torch.equal(source.load(17), open_data("shapes", "test").load(17))


@pytest.mark.parametrize("shape", OUTLINES)
def test_shapes_fill_the_image_and_leave_background(shape: str) -> None:
    for index in range(40):
        mask = torch.from_numpy(_mask(shape, iter(uniforms((1, 2), (index, 0), 64).tolist()), 32))
        seen = mask > 0.5
        wide = max(int(seen.any(0).sum()), int(seen.any(1).sum()))
        assert wide >= 0.65 * 32, index
        assert 0.2 * 1024 < mask.sum().item() < 0.7 * 1024


def test_pixels_alone_do_not_tell_the_class() -> None:
    train, test = open_data("shapes:32,2000"), open_data("shapes:32,2000", "test")
    bank = F.normalize(torch.stack([train.load(i) for i in range(2000)]).float().flatten(1), dim=1)
    query = F.normalize(torch.stack([test.load(i) for i in range(500)]).float().flatten(1), dim=1)
    votes = F.one_hot((query @ bank.T).topk(20, dim=1).indices % 10, 10).sum(dim=1)
    accuracy = (votes.argmax(dim=1) == torch.arange(500) % 10).float().mean()
    assert accuracy < 0.30
