"""An encoder for larger images: maps of the wanted size, the run's encoder as it was."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from timm.layers import resample_abs_pos_embed

import graphssl
from graphssl.data.decode import from_pil
from graphssl.pictures.resized import CELLS, resized, shown
from graphssl.runtime.errors import RunError

Trained = Callable[[str], Path]
IMAGE = torch.randint(0, 256, (3, 70, 90), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("method", ["simclr", "dino"])
def test_maps_have_enough_cells_and_the_run_keeps_its_own(trained: Trained, method: str) -> None:
    encoder = graphssl.load_encoder(trained(method))
    before, maps = copy.deepcopy(encoder.state_dict()), encoder.maps(IMAGE)
    large = resized(encoder)
    assert large.maps(IMAGE).shape[2:] == (CELLS, CELLS) and large.size % encoder.size == 0
    assert torch.equal(encoder.maps(IMAGE), maps) and encoder.size == 32
    after = encoder.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("method", ["simclr", "dino"])
def test_the_training_size_changes_nothing(trained: Trained, method: str) -> None:
    encoder = graphssl.load_encoder(trained(method))
    torch.testing.assert_close(resized(encoder, 32).maps(IMAGE), encoder.maps(IMAGE))


def test_fixed_positions_are_interpolated_by_timm(trained: Trained) -> None:
    encoder = graphssl.load_encoder(trained("dino"))
    model = encoder.backbone
    model.dynamic_img_size = model.patch_embed.dynamic_img_size = model.patch_embed.flatten = False
    model.patch_embed.flatten = model.patch_embed.strict_img_size = True
    old = model.pos_embed.detach().clone()
    large = resized(encoder, 64)
    expected = resample_abs_pos_embed(old, new_size=[8, 8], old_size=[4, 4], num_prefix_tokens=1)
    assert torch.equal(large.backbone.pos_embed, expected) and torch.equal(model.pos_embed, old)
    assert large.maps(IMAGE).shape[2:] == (8, 8)


def test_a_size_that_patches_do_not_fill_is_told(trained: Trained) -> None:
    with pytest.raises(RunError, match="no whole number of patches of 8 pixels: take --size 96"):
        resized(graphssl.load_encoder(trained("dino")), 100)


def test_what_is_shown_is_what_the_network_sees_before_normalisation(trained: Trained) -> None:
    encoder = graphssl.load_encoder(trained("simclr"))
    pixels = from_pil(shown(encoder, IMAGE)).float() / 255
    seen = encoder.transform(IMAGE)
    scale = (seen.flatten(1).std(dim=1) / pixels.flatten(1).std(dim=1))[:, None, None]
    shift = (seen - scale * pixels).mean(dim=(1, 2), keepdim=True)
    np.testing.assert_allclose((scale * pixels + shift).numpy(), seen.numpy(), atol=0.02)
