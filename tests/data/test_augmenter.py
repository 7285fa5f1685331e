from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.transforms.v2.functional as tv
from torch import Tensor

from graphssl.data.augment import Augmenter, ViewPlan
from graphssl.data.errors import DataError
from graphssl.data.philox import Draws, key_of

Plan = Callable[..., ViewPlan]
RECIPES = Path(__file__).parents[2] / "graphs" / "recipes"
MANY = 3000


def _view(
    plan: ViewPlan, images: Tensor | list[Tensor], indices: list[int] | None = None, epoch: int = 0, seed: int = 0
) -> Tensor:
    indices = list(range(len(images))) if indices is None else indices
    return Augmenter({plan.node: plan}, seed=seed)(images, indices, epoch)[plan.node]


def _share_changed(plan: ViewPlan, images: Tensor) -> float:
    """The share of copies of one image that a step changes."""
    out = _view(plan, images)
    return (out != images[:1].float() / 255).flatten(1).any(dim=1).float().mean().item()


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_gives_finite_contiguous_views(path: Path, plan: Plan, images: Tensor) -> None:
    for size in (32, 24):
        out = _view(plan(path.stem, size), images)
        assert out.shape == (64, 3, size, size) and out.dtype == torch.float32
        assert out.is_contiguous() and out.isfinite().all() and out.std() > 0.05
        if path.stem in ("simclr", "simclr_as_code"):
            assert out.min() >= 0 and out.max() <= 1
        else:
            assert out.min() > -3 and out.max() < 3.5


# The probability of each step, where there are authors in their code; steps that are not listed are absent.
PROBABILITIES = {
    "moco_v1": {"flip": 0.5, "jitter": 1.0, "grayscale": 0.2},
    "moco_v2": {"flip": 0.5, "jitter": 0.8, "grayscale": 0.2, "blur": 0.5},
    "simsiam": {"flip": 0.5, "jitter": 0.8, "grayscale": 0.2, "blur": 0.5},
    "moco_cifar": {"flip": 0.5, "jitter": 0.8, "grayscale": 0.2},
    "moco_v3_1": {"flip": 0.5, "jitter": 0.8, "grayscale": 0.2, "blur": 1.0},
    "moco_v3_2": {"flip": 0.5, "jitter": 0.8, "grayscale": 0.2, "blur": 0.1, "solarize": 0.2},
    "simclr": {"flip": 0.5, "jitter": 0.8, "grayscale": 0.2, "blur": 0.5},
    "simclr_as_code": {"flip": 0.5, "jitter": 0.8, "grayscale": 0.2, "blur": 0.5},
    "simclr_cifar": {"flip": 0.5, "jitter": 0.8, "grayscale": 0.2},
    "byol_1": {"flip": 0.5, "jitter": 0.8, "grayscale": 0.2, "blur": 1.0, "solarize": 0.0},
    "byol_2": {"flip": 0.5, "jitter": 0.8, "grayscale": 0.2, "blur": 0.1, "solarize": 0.2},
    "dino_global_1": {"flip": 0.5, "jitter": 0.8, "grayscale": 0.2, "blur": 1.0},
    "dino_global_2": {"flip": 0.5, "jitter": 0.8, "grayscale": 0.2, "blur": 0.1, "solarize": 0.2},
    "dino_local": {"flip": 0.5, "jitter": 0.8, "grayscale": 0.2, "blur": 0.5},
    "dinov2_global_1": {"flip": 0.5, "jitter": 0.8, "grayscale": 0.2, "blur": 0.0},
    "dinov2_global_2": {"flip": 0.5, "jitter": 0.8, "grayscale": 0.2, "blur": 0.9, "solarize": 0.2},
    "dinov2_local": {"flip": 0.5, "jitter": 0.8, "grayscale": 0.2, "blur": 0.5},
    "quick": {"flip": 0.5, "jitter": 0.8, "grayscale": 0.2},
    "shapes": {"flip": 0.5, "jitter": 1.0, "grayscale": 0.5, "blur": 0.5},
    "eval_imagenet": {},
    "eval_small": {},
}


def test_every_recipe_has_its_probabilities_listed_here() -> None:
    assert set(PROBABILITIES) == {path.stem for path in RECIPES.glob("*.yaml")}


@pytest.mark.parametrize("recipe", PROBABILITIES)
def test_steps_of_a_recipe_happen_as_often_as_in_the_authors_code(recipe: str, plan: Plan, images: Tensor) -> None:
    # 12 px images: a blur of "10%" would do nothing, so the kernel is given; it changes no probability.
    small = tv.resize(images[:1], [12, 12]).expand(MANY, 3, 12, 12)
    steps = dict(plan(recipe).steps)
    assert set(steps) - {"crop", "resize", "center_crop", "normalize"} == set(PROBABILITIES[recipe])
    for step, expected in PROBABILITIES[recipe].items():
        params = {**steps[step], "kernel": 5, "sigma": [1, 2]} if step == "blur" else steps[step]
        share = _share_changed(plan({step: params}, 12), small)
        assert abs(share - expected) < 4 * (expected * (1 - expected) / MANY) ** 0.5 + 1e-3, (step, share)


def test_steps_and_views_are_drawn_independently(plan: Plan, images: Tensor) -> None:
    small = tv.resize(images[:1], [12, 12]).expand(MANY, 3, 12, 12)
    changed = {}
    for name, step, view in (("flip", "flip", "v1"), ("flip2", "flip", "v2"), ("vertical", "vertical_flip", "v1")):
        out = _view(plan({step: {"p": 0.5}}, 12, view), small)
        changed[name] = (out != small[:1].float() / 255).flatten(1).any(dim=1).float()
    table = torch.corrcoef(torch.stack(list(changed.values())))
    assert (table - torch.eye(3)).abs().max() < 0.06


def test_the_strengths_of_the_jitter_have_their_ranges(plan: Plan) -> None:
    grey = torch.full((MANY, 3, 4, 4), 51, dtype=torch.uint8)  # .2
    only = {"contrast": 0, "saturation": 0, "hue": 0, "p": 1.0}
    scaled = _view(plan({"jitter": {**only, "brightness": 0.8}}, 4), grey)[:, 0, 0, 0] / 0.2
    assert 0.199 < scaled.min() < 0.21 and 1.79 < scaled.max() < 1.801 and abs(scaled.mean() - 1) < 0.03
    added = _view(plan({"jitter": {**only, "brightness": 0.1, "brightness_mode": "additive"}}, 4), grey)[:, 0, 0, 0]
    assert 0.099 < added.min() < 0.101 and 0.299 < added.max() < 0.301
    beyond = _view(plan({"jitter": {**only, "brightness": 2.0}}, 4), grey)[:, 0, 0, 0] / 0.2
    assert beyond.min() < 0.01 and 2.99 < beyond.max() < 3.001


def test_all_orders_of_the_jitter_are_equally_likely() -> None:
    keys = Draws(key_of("order"), np.arange(24000), 0).uniforms(1)
    _, counts = np.unique(np.argsort(keys, axis=1), axis=0, return_counts=True)
    assert len(counts) == 24 and counts.min() > 850 and counts.max() < 1150


def test_a_fixed_order_is_brightness_contrast_saturation_hue(plan: Plan, images: Tensor) -> None:
    jitter = {"brightness": 0.5, "contrast": 0.5, "saturation": 0.5, "hue": 0.2, "p": 1.0}
    fixed = _view(plan({"jitter": {**jitter, "order": "fixed"}}), images)
    u = Draws(key_of("augment", 0, "v1", "jitter", 0), np.arange(64), 0).uniforms(0)
    for i in (0, 9, 63):
        out = tv.adjust_brightness(images[i].float() / 255, 0.5 + u[i, 0])
        out = tv.adjust_saturation(tv.adjust_contrast(out, 0.5 + u[i, 1]), 0.5 + u[i, 2])
        torch.testing.assert_close(fixed[i], tv.adjust_hue(out, -0.2 + 0.4 * u[i, 3]), atol=2e-5, rtol=0)


def test_a_view_of_an_image_does_not_depend_on_the_rest_of_the_batch(plan: Plan, images: Tensor) -> None:
    whole = _view(plan("byol_2"), images, list(range(100, 164)))
    parts = _view(plan("byol_2"), list(images[40:45]), list(range(140, 145)))
    torch.testing.assert_close(whole[40:45], parts, atol=1e-5, rtol=0)


def test_indices_epochs_seeds_and_views_all_change_the_random_numbers(plan: Plan, images: Tensor) -> None:
    base = _view(plan("quick"), images)
    assert torch.equal(base, _view(plan("quick"), images))
    different = [
        _view(plan("quick"), images, list(range(1, 65))),
        _view(plan("quick"), images, epoch=1),
        _view(plan("quick"), images, seed=1),
        _view(plan("quick", view="v2"), images),
    ]
    assert all((base - other).abs().flatten(1).amax(1).min() > 1e-3 for other in different)


def test_changing_one_step_leaves_the_random_numbers_of_the_others(plan: Plan, images: Tensor) -> None:
    with_flip = _view(plan({"crop": {}, "flip": {"p": 1.0}}), images)
    without = _view(plan({"crop": {}}), images)
    assert torch.equal(with_flip, without.flip(-1))


def test_images_of_different_sizes_make_one_batch_in_order(plan: Plan) -> None:
    sizes = [(32, 32), (50, 40), (32, 32), (200, 100), (50, 40), (300, 301)]
    mixed = [torch.full((3, *size), 40 * i, dtype=torch.uint8) for i, size in enumerate(sizes)]
    out = _view(plan({"crop": {}, "normalize": "none"}), mixed)
    torch.testing.assert_close(out.mean(dim=(1, 2, 3)) * 255, torch.arange(6) * 40.0, atol=0.01, rtol=0)
    out = _view(plan("eval_small"), mixed)
    assert out.shape == (6, 3, 32, 32)


def test_lists_of_plans_give_lists_of_views(plan: Plan, images: Tensor) -> None:
    local = [plan("dino_local", 16, f"local.{i}") for i in range(3)]
    out = Augmenter({"global": plan("dino_global_1", 32, "global"), "local": local}, seed=0)(images, range(64), 0)
    assert out["global"].shape == (64, 3, 32, 32) and [x.shape[-1] for x in out["local"]] == [16] * 3
    assert not torch.equal(out["local"][0], out["local"][1])


def test_the_images_given_are_never_changed(plan: Plan, images: Tensor) -> None:
    before = images.clone()
    jitter = {"jitter": {"p": 1.0}, "flip": {"p": 1.0}, "erase": {"p": 1.0}, "normalize": {}}
    for steps in (jitter, {"resize": {}, **jitter}, {"center_crop": {}, **jitter}, {"pad_crop": {}, **jitter}):
        _view(plan(steps), images)
        _view(plan(steps), list(images))
    assert torch.equal(images, before)


def test_evaluation_steps_equal_torchvisions(plan: Plan) -> None:
    image = torch.randint(0, 256, (3, 61, 47), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    ours = _view(plan("eval_imagenet", 28), [image])[0]
    theirs = tv.center_crop(tv.resize(image.float() / 255, [32], antialias=True), [28])
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    torch.testing.assert_close(ours, tv.normalize(theirs, mean, std), atol=2e-5, rtol=0)
    padded = _view(plan({"center_crop": {}}, 64), [image])[0]
    torch.testing.assert_close(padded, tv.center_crop(image, [64]).float() / 255)


def test_pad_crop_moves_the_image_by_up_to_its_padding(plan: Plan, images: Tensor) -> None:
    bright = images.clamp(min=1)
    out = _view(plan({"pad_crop": {"padding": 4}}), bright)
    shown = (out > 0).all(dim=1).flatten(1).sum(dim=1)
    assert shown.min() >= 28 * 28 and shown.max() <= 32 * 32 and len(shown.unique()) > 5


def test_erase_blacks_out_a_rectangle(plan: Plan, images: Tensor) -> None:
    out = _view(plan({"erase": {"p": 1.0, "scale": [0.1, 0.2]}}), images.clamp(min=1))
    share = (out == 0).all(dim=1).float().mean(dim=(1, 2))
    assert share.min() > 0.05 and share.max() < 0.25


def test_steps_that_leave_another_size_are_refused_in_words(plan: Plan, images: Tensor) -> None:
    with pytest.raises(DataError, match="view `v1` should be 24 x 24 pixels but its steps leave an image of 32 x 32"):
        _view(plan({"flip": {}}, 24), images)
    with pytest.raises(DataError, match="put `resize` before it"):
        _view(plan({"pad_crop": {"padding": 1}}, 48), images)
