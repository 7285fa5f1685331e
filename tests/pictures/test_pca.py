"""Patch features as colours: against scikit-learn's PCA, and on features whose foreground is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from graphssl.pictures.pca import colours
from graphssl.runtime.errors import RunError


@pytest.fixture
def maps() -> Tensor:
    """Three maps of 5 × 8 × 8 whose middle 4 × 4 cells point elsewhere than the rest."""
    generator = torch.Generator().manual_seed(0)
    found = torch.randn(3, 5, 8, 8, generator=generator) * torch.tensor([0.5, 0.4, 0.3, 0.2, 0.1])[:, None, None]
    found[:, 0] -= 4
    found[:, 0, 2:6, 2:6] += 8
    return found


def in_the_middle() -> Tensor:
    inside = torch.zeros(3, 8, 8, dtype=torch.bool)
    inside[:, 2:6, 2:6] = True
    return inside


def test_the_foreground_is_what_fills_the_middle_whatever_the_sign_of_the_features(maps: Tensor) -> None:
    for each in (maps, -maps):
        found = colours(each)
        assert torch.equal(found.foreground, in_the_middle())
        assert (found.rgb[~found.foreground] == 0).all()
    assert torch.equal(colours(maps, invert=True).foreground, ~in_the_middle())
    assert colours(maps, foreground=False).foreground.all()


def test_colours_are_the_stretched_first_three_components_of_the_foreground(maps: Tensor) -> None:
    found = colours(maps)
    cells = maps.permute(0, 2, 3, 1)[found.foreground].double().numpy()
    pca = PCA(3, svd_solver="full")
    scores = pca.fit_transform(cells)
    signs = np.sign(pca.components_[np.arange(3), np.abs(pca.components_).argmax(axis=1)])
    scores = scores * signs
    expected = (scores - scores.min(axis=0)) / np.ptp(scores, axis=0)
    np.testing.assert_allclose(found.rgb[found.foreground].numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(found.explained, pca.explained_variance_ratio_, atol=1e-6)


def test_turned_features_give_the_same_foreground_and_shares(maps: Tensor) -> None:
    turn = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(1)))[0]
    found, turned = colours(maps), colours(torch.einsum("ed,ndhw->nehw", turn, maps))
    assert torch.equal(found.foreground, turned.foreground)
    np.testing.assert_allclose(found.explained, turned.explained, atol=1e-5)


def test_too_few_channels_or_cells_are_told() -> None:
    with pytest.raises(RunError, match="at least 3 channels, and these have 2"):
        colours(torch.randn(2, 2, 4, 4))
    with pytest.raises(RunError, match="--no-foreground"):
        colours(torch.zeros(2, 4, 4, 4))
