"""Each operation on pixels against torchvision's, image by image."""

from __future__ import annotations

import pytest
import torch
import torchvision.transforms.v2.functional as tv
from torch import Tensor

from graphssl.data import colour
from graphssl.data.blur import gaussian_blur, kernel_width
from graphssl.data.resample import crop_and_resize, to_float

TOLERANCE = {"atol": 1e-5, "rtol": 0}


def _check(ours: Tensor, theirs: list[Tensor]) -> None:
    torch.testing.assert_close(ours, torch.stack(theirs), **TOLERANCE)


@pytest.mark.parametrize(
    ("ours", "theirs", "low", "high"),
    [
        (colour.scale_brightness, tv.adjust_brightness, 0.0, 2.0),
        (colour.contrast, tv.adjust_contrast, 0.0, 2.0),
        (colour.saturation, tv.adjust_saturation, 0.0, 2.0),
        (colour.hue, tv.adjust_hue, -0.5, 0.5),
    ],
)
def test_a_jitter_equals_torchvisions(images: Tensor, ours, theirs, low: float, high: float) -> None:
    factors = torch.linspace(low, high, len(images))
    pixels = to_float(images)
    _check(ours(pixels.clone(), factors), [theirs(image, float(f)) for image, f in zip(pixels, factors, strict=True)])


def test_hue_equals_torchvisions_where_channels_are_equal() -> None:
    levels = torch.tensor([0.0, 0.5, 1.0])
    pixels = torch.cartesian_prod(levels, levels, levels).T.reshape(1, 3, 3, 9)
    for shift in (-0.5, -0.2, 0.0, 0.3):
        _check(colour.hue(pixels.clone(), torch.tensor([shift])), [tv.adjust_hue(pixels[0], shift)])


def test_additive_brightness_adds_and_clamps() -> None:
    pixels = torch.tensor([0.1, 0.5, 0.9]).view(1, 3, 1, 1)
    out = colour.add_brightness(pixels, torch.tensor([0.2]))
    torch.testing.assert_close(out, torch.tensor([0.3, 0.7, 1.0]).view(1, 3, 1, 1))


def test_a_jitter_applies_its_changes_in_each_images_own_order(images: Tensor) -> None:
    pixels = to_float(images[:2])
    strengths = torch.tensor([[1.5, 0.3], [1.5, 0.3]])
    order = torch.tensor([[0, 1], [1, 0]]).numpy()
    out = colour.jitter(pixels.clone(), strengths, order, [colour.scale_brightness, colour.contrast])
    first = tv.adjust_contrast(tv.adjust_brightness(pixels[0], 1.5), 0.3)
    second = tv.adjust_brightness(tv.adjust_contrast(pixels[1], 0.3), 1.5)
    _check(out, [first, second])
    assert (first - second).abs().max() > 1e-3 or not torch.equal(first, second)


def test_grayscale_and_solarize_equal_torchvisions(images: Tensor) -> None:
    pixels = to_float(images)
    _check(colour.grayscale(pixels.clone()), [tv.rgb_to_grayscale(image, 3) for image in pixels])
    _check(colour.solarize(pixels, 0.5), [tv.solarize(image, 0.5) for image in pixels])


@pytest.mark.parametrize("size", [32, 80])  # the two ways it is computed
@pytest.mark.parametrize("width", [3, 13, 23])
def test_blur_equals_torchvisions(images: Tensor, size: int, width: int) -> None:
    pixels = tv.resize(to_float(images[:6]), [size, size])
    sigma = torch.linspace(0.1, 2.0, 6)
    theirs = [tv.gaussian_blur(image, [width, width], [float(s)] * 2) for image, s in zip(pixels, sigma, strict=True)]
    _check(gaussian_blur(pixels, sigma, width), theirs)


def test_kernel_widths_follow_simclr_and_stay_defined() -> None:
    assert [kernel_width("10%", size, 2.0) for size in (224, 96, 32, 8)] == [23, 9, 3, 1]
    assert kernel_width("auto", 224, 2.0) == 13 and kernel_width("auto", 224, 1.1) == 9
    assert kernel_width(23, 224, 2.0) == 23 and kernel_width(23, 8, 2.0) == 15


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(32, 32), (20, 48), (9, 9)])
def test_crop_and_resize_equals_torchvisions(images: Tensor, interpolation: str, size: tuple[int, int]) -> None:
    g = torch.Generator().manual_seed(0)
    shapes = torch.randint(4, 33, (len(images), 2), generator=g)
    corners = (torch.rand(len(images), 2, generator=g) * (33 - shapes)).long()
    windows = torch.cat([corners, shapes], dim=1)
    theirs = [
        tv.resized_crop(to_float(image), *window, list(size), interpolation, antialias=True).clamp(0, 1)
        for image, window in zip(images, windows.tolist(), strict=True)
    ]
    _check(crop_and_resize(images, windows, size, interpolation), theirs)


def test_large_uint8_images_are_cut_as_torchvision_cuts_uint8(images: Tensor) -> None:
    large = tv.resize(images[:4], [90, 120])
    windows = torch.tensor([[0, 0, 90, 120], [5, 7, 33, 60], [40, 50, 50, 70], [1, 1, 70, 40]])
    for interpolation in ("bilinear", "bicubic"):
        ours = crop_and_resize(large, windows, (48, 48), interpolation)
        for image, window, out in zip(large, windows.tolist(), ours, strict=True):
            theirs = tv.resized_crop(image, *window, [48, 48], interpolation, antialias=True)
            assert (out.int() - theirs.int()).abs().max() <= 1
            exact = tv.resized_crop(to_float(image), *window, [48, 48], interpolation, antialias=True).clamp(0, 1)
            assert (to_float(out) - exact).abs().max() < 1.6 / 255
