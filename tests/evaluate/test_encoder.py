"""`load_encoder`: the same features however an image is given, and those that evaluation takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import graphssl
from graphssl.data.sources import open_data
from graphssl.evaluate.features import extract
from graphssl.evaluate.run import load_run
from graphssl.runtime.errors import RunError

Trained = Callable[[str], Path]


@pytest.mark.parametrize(("method", "parts"), [("simclr", {"f"}), ("dino", {"ft"})])
def test_features_are_those_of_evaluation(trained: Trained, method: str, parts: set[str]) -> None:
    encoder = graphssl.load_encoder(trained(method))
    images = open_data("shapes:32,64", "test")
    loaded, module = load_run(trained(method))
    expected, _ = extract(module, loaded.checked_graph(), images, device=torch.device("cpu"))
    torch.testing.assert_close(encoder.features([images.load(i) for i in range(len(images))]), expected)
    assert {name for name, _ in encoder.named_children()} == parts
    assert encoder.width == expected.shape[1]


def test_pillow_arrays_and_tensors_give_the_same(trained: Trained) -> None:
    encoder = graphssl.load_encoder(trained("simclr"))
    array = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    given = [Image.fromarray(array), array, torch.from_numpy(array).permute(2, 0, 1)]
    together = encoder.features(given)
    assert together.shape == (3, encoder.width)
    assert torch.equal(together[0], together[1]) and torch.equal(together[0], together[2])
    assert encoder.features(given[0]).shape == (1, encoder.width)


def test_maps_have_one_vector_a_patch(trained: Trained) -> None:
    encoder = graphssl.load_encoder(trained("dino"))
    assert encoder.maps(np.zeros((32, 32, 3), np.uint8)).shape == (1, encoder.width, 4, 4)


def test_a_transform_of_another_size_keeps_the_proportions(trained: Trained) -> None:
    transform = graphssl.load_encoder(trained("simclr")).transform
    assert transform.at(64)(Image.new("RGB", (100, 80))).shape == (3, 64, 64)


@pytest.mark.parametrize("image", [torch.zeros(3, 8, 8), np.zeros((8, 8, 3))])
def test_floats_are_refused_since_their_range_is_unknown(trained: Trained, image: object) -> None:
    with pytest.raises(ValueError, match="uint8"):
        graphssl.load_encoder(trained("simclr")).features(image)  # type: ignore[arg-type]


def test_a_folder_that_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is no run folder"):
        graphssl.load_encoder(tmp_path)
