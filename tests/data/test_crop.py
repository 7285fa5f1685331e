from __future__ import annotations

import numpy as np
import pytest

from graphssl.data.crop import erased_windows, padded_windows, random_windows
from graphssl.data.philox import Draws, key_of

SCALE, RATIO = [0.08, 1.0], [3 / 4, 4 / 3]


def _windows(method: str, height: int = 224, width: int = 224, count: int = 20000, scale: list[float] = SCALE):
    params = {"method": method, "scale": scale, "ratio": RATIO}
    sizes = np.tile([height, width], (count, 1))
    return random_windows(params, Draws(key_of("crop", method), np.arange(count), 0), sizes)


@pytest.mark.parametrize("method", ["torchvision", "simclr", "byol"])
@pytest.mark.parametrize(("height", "width"), [(224, 224), (300, 100), (40, 400), (3, 2), (1, 1)])
def test_windows_lie_inside_the_image(method: str, height: int, width: int) -> None:
    windows = _windows(method, height, width, 3000)
    assert (windows[:, :2] >= 0).all() and (windows[:, 2:] >= 1).all()
    assert (windows[:, 0] + windows[:, 2] <= height).all() and (windows[:, 1] + windows[:, 3] <= width).all()


@pytest.mark.parametrize(("method", "mean"), [("torchvision", 0.481), ("simclr", 0.422)])
def test_the_mean_area_is_that_of_the_original(method: str, mean: float) -> None:
    area = _windows(method)[:, 2:].prod(axis=1) / 224**2
    assert abs(area.mean() - mean) < 0.006


def test_torchvisions_statistics_match_torchvision_itself() -> None:
    import torch
    from torchvision.transforms.v2 import RandomResizedCrop

    torch.manual_seed(0)
    transform, image = RandomResizedCrop(224), torch.empty(3, 120, 300)
    params = [transform.make_params([image]) for _ in range(4000)]
    theirs = np.array([[p["top"], p["left"], p["height"], p["width"]] for p in params])
    ours = _windows("torchvision", 120, 300)
    tolerance = 4 * theirs.std(axis=0) * np.sqrt(1 / 4000 + 1 / 20000)
    assert (np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) < tolerance).all()
    assert np.abs(ours.std(axis=0) / theirs.std(axis=0) - 1).max() < 0.06


def test_simclr_never_covers_less_than_a_tenth() -> None:
    area = _windows("simclr")[:, 2:].prod(axis=1) / 224**2
    assert 0.10 <= area.min() < 0.105


def test_about_15_percent_of_byols_windows_touch_a_full_side() -> None:
    windows = _windows("byol")
    touching = (windows[:, 2:] == 224).any(axis=1).mean()
    assert 0.13 < touching < 0.17
    assert (_windows("torchvision")[:, 2:] == 224).any(axis=1).mean() < 0.02


def test_torchvisions_fallback_is_the_largest_central_window() -> None:
    windows = _windows("torchvision", 10, 400, 500, scale=[0.9, 1.0])
    assert (windows == [0, 193, 10, 13]).all()


def test_padded_windows_reach_every_place() -> None:
    sizes = np.tile([32, 32], (5000, 1))
    windows = padded_windows(4, Draws((0, 1), np.arange(5000), 0), sizes, 32)
    assert set(windows[:, 0]) == set(windows[:, 1]) == set(range(-4, 5))
    assert (windows[:, 2:] == 32).all()


def test_erased_rectangles_have_the_asked_area() -> None:
    sizes = np.tile([64, 64], (5000, 1))
    windows = erased_windows([0.02, 0.33], Draws((0, 1), np.arange(5000), 0), sizes)
    area = windows[:, 2:].prod(axis=1) / 64**2
    assert area.min() > 0.015 and area.max() < 0.34 and abs(area.mean() - 0.17) < 0.01


@pytest.mark.parametrize(
    ("method", "mean"), [("simclr", (3 / 4 + 4 / 3) / 2), ("torchvision", 7 / 12 / np.log(16 / 9))]
)
def test_ratios_are_uniform_for_simclr_and_log_uniform_for_torchvision(method: str, mean: float) -> None:
    windows = _windows(method, scale=[0.15, 0.3])  # small enough that none is refused
    ratio = windows[:, 3] / windows[:, 2]
    assert abs(ratio.mean() - mean) < 0.005
