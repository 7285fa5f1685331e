"""Large images on the host are changed by OpenCV: the same numbers as by torch's operations on a batch, to rounding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import graphssl
from graphssl.data import augment, colour, opencv, operations
from graphssl.data.blur import gaussian_blur
from graphssl.runtime.makers import makers_of

SIZE = 2 * opencv.SMALL
STRENGTHS: dict[str, list[float]] = {
    "scale_brightness": [0.2, 1.0, 1.8],
    "add_brightness": [-0.8, 0.0, 0.8],
    "contrast": [0.2, 1.0, 1.8],
    "saturation": [0.2, 1.0, 1.8],
    "hue": [-0.5, 0.0, 0.37],
}


def images(seed: int = 0) -> Tensor:
    """Three images of 8-bit colours, one of them with grey and black parts."""
    made = torch.randint(0, 256, (3, 3, SIZE, SIZE), generator=torch.Generator().manual_seed(seed)) / 255
    made[1, :, :40] = made[1, :1, :40]
    made[1, :, 40:60] = 0
    return made


def both(change: Callable[..., Tensor], *numbers: Tensor) -> tuple[Tensor, Tensor]:
    """The result in a layout that torch's operations take, and in the one that OpenCV takes."""
    return change(images(), *numbers), change(images().contiguous(memory_format=torch.channels_last), *numbers)


def assert_same(batched: Tensor, one_by_one: Tensor) -> None:
    assert one_by_one.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(one_by_one, batched, rtol=0, atol=5e-6)


@pytest.mark.parametrize("name", STRENGTHS)
def test_colours(name: str) -> None:
    batched, one_by_one = both(getattr(colour, name), torch.tensor(STRENGTHS[name]))
    assert_same(batched, one_by_one)
    assert not torch.equal(batched, images())


def test_greyscale_and_mirroring() -> None:
    assert_same(*both(colour.grayscale))
    assert_same(*both(operations._mirrored))


@pytest.mark.parametrize("width", [1, 3, 23])
def test_blur(width: int) -> None:
    sigma = torch.tensor([0.1, 0.7, 2.0])
    assert_same(*both(lambda some, sigma: gaussian_blur(some, sigma, width), sigma))


def test_normalisation_by_channel() -> None:
    at = operations.Situation(np.full((3, 2), SIZE), SIZE, torch.device("cpu"))
    params = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    apply, _ = operations.normalize(params, None, at)  # type: ignore[arg-type]
    assert_same(*both(lambda some: apply(some, np.arange(3))))


@pytest.mark.parametrize("method", ["byol", "dino", "simclr"])
def test_whole_recipes(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Views of 224 and 96 px made by OpenCV, and the same made in batches."""

    def views() -> dict[str, Any]:
        makers = makers_of(graphssl.load(method).checked_graph(), seed=0, steps=10, per_epoch=5)
        photos = [
            torch.randint(0, 256, (3, 90 + i, 120), generator=torch.Generator().manual_seed(i), dtype=torch.uint8)
            for i in range(6)
        ]
        samples = augment.Samples(photos, np.arange(6), 0, labels=torch.zeros(6, dtype=torch.int64))
        return {name: maker(samples) for name, maker in makers.items()}

    one_by_one = views()
    monkeypatch.setattr(augment.opencv, "suits", lambda size, device: False)
    torch.testing.assert_close(one_by_one, views(), rtol=0, atol=5e-5)  # in units of a standard deviation
