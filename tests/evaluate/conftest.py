"""A run of one's own, and features made up."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from graphssl.evaluate.frozen import Labelled


@pytest.fixture
def own_run(trained: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of a toy run that may be written to."""
    return Path(shutil.copytree(trained("simclr"), tmp_path / "run"))


@pytest.fixture
def clusters() -> Callable[..., Labelled]:
    """`clusters(40, 20)`: features (n 5) of three overlapping classes, so many a class in training and so many in the test."""

    def made(each: int, tested: int, spread: float = 1.0) -> Labelled:
        generator = torch.Generator().manual_seed(0)
        means = 2 * torch.randn(3, 5, generator=generator)

        def part(count: int) -> tuple[torch.Tensor, torch.Tensor]:
            labels = torch.arange(3).repeat(count)
            return means[labels] + spread * torch.randn(3 * count, 5, generator=generator), labels

        return Labelled(("a", "b", "c"), part(each), part(tested), about={})

    return made


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """`folder("train/a/0.png", …)`: a folder with a grey image at each place, each of another grey."""

    def made(*places: str) -> Path:
        for number, place in enumerate(places):
            file = tmp_path / "images" / place
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (32, 32), (20 * number % 256,) * 3).save(file)
        return tmp_path / "images"

    return made
