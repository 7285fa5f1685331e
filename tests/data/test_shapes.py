from __future__ import annotations

import hashlib
import math

import pytest
import torch
import torch.nn.functional as F

from graphssl.data.errors import DataError
from graphssl.data.philox import uniforms
from graphssl.data.shapes import LAYOUTS, OUTLINES, _mask
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


@pytest.mark.parametrize(
    "text", ["shapes:", "shapes:a", "shapes:32,1,2", "shapes:4,100", "shapes:32,5", "shapes:-3", "shapes_single:a"]
)
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
        figures = LAYOUTS["shapes"](shape, iter(uniforms((1, 2), (index, 0), 64).tolist()), 32)
        mask = torch.from_numpy(_mask(figures, 32))
        seen = mask > 0.5
        wide = max(int(seen.any(0).sum()), int(seen.any(1).sum()))
        assert wide >= 0.65 * 32, index
        assert 0.2 * 1024 < mask.sum().item() < 0.7 * 1024


def test_the_images_are_those_of_the_first_version() -> None:
    source = open_data("shapes:32,20", seed=3)
    digest = hashlib.sha256(b"".join(source.load(i).numpy().tobytes() for i in range(20)))
    assert digest.hexdigest() == "d496b307015a4b8f2f404e2dc05ec8272443ba5f7d349b580bf4b72ca06c2e80"


@pytest.mark.parametrize("name", ["shapes:64,40", "shapes_single:64,40", "shapes_single:32,40"])
def test_label_maps_and_boxes_are_those_of_the_image(name: str) -> None:
    source = open_data(name)
    for index in range(40):
        image, known, boxes = source.load(index).float() / 255, source.label_map(index), source.boxes(index)
        assert known.dtype == torch.uint8 and known.shape == image.shape[1:]
        assert known.unique().tolist() == [0, 1 + source.label(index)]
        weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
        grey = (image * weights).sum(0)
        inside = known > 0
        spread = (grey[inside].var() * inside.sum() + grey[~inside].var() * (~inside).sum()) / grey.numel()
        assert spread < 0.5 * grey.var(), index  # two nearly uniform parts
        assert len(boxes) == (4 if name.startswith("shapes:") else 1)
        assert (boxes[:, :2] < boxes[:, 2:]).all() and boxes.min() >= 0 and boxes.max() <= image.shape[1]
        for left, top, right, bottom in boxes.tolist():
            part = inside[math.floor(top) : math.ceil(bottom), math.floor(left) : math.ceil(right)]
            assert part.any(0).sum() >= right - left - 2.5 and part.any(1).sum() >= bottom - top - 2.5
        columns, rows = torch.where(inside.any(0))[0], torch.where(inside.any(1))[0]
        around = [*boxes[:, :2].amin(0).tolist(), *boxes[:, 2:].amax(0).tolist()]
        seen = [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]
        assert all(abs(a - b) <= 1.6 for a, b in zip(around, seen, strict=True)), (index, around, seen)


def test_single_shapes_lie_anywhere_and_whole_in_the_image() -> None:
    source = open_data("shapes_single:64,200")
    boxes = torch.cat([source.boxes(i) for i in range(200)])
    assert boxes.min() > 0 and boxes.max() < 64
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    assert (middles.amin(0) < 20).all() and (middles.amax(0) > 44).all()
    assert not torch.equal(source.load(3), open_data("shapes:64,200").load(3))


def test_pixels_alone_do_not_tell_the_class() -> None:
    train, test = open_data("shapes:32,2000"), open_data("shapes:32,2000", "test")
    bank = F.normalize(torch.stack([train.load(i) for i in range(2000)]).float().flatten(1), dim=1)
    query = F.normalize(torch.stack([test.load(i) for i in range(500)]).float().flatten(1), dim=1)
    votes = F.one_hot((query @ bank.T).topk(20, dim=1).indices % 10, 10).sum(dim=1)
    accuracy = (votes.argmax(dim=1) == torch.arange(500) % 10).float().mean()
    assert accuracy < 0.30
