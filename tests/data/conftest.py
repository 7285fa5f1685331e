"""What the tests of the data share: plans from recipes, and images on disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from graphssl.data.augment import ViewPlan

RECIPES = Path(__file__).parents[2] / "graphs" / "recipes"


def recipe_steps(name: str) -> dict[str, Any]:
    return yaml.safe_load((RECIPES / f"{name}.yaml").read_text(encoding="utf-8"))["steps"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The tensors here are small: more threads would only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def plan() -> Callable[..., ViewPlan]:
    """plan("simclr", size=32, view="v1", **patches of steps), or plan({step: parameters})."""

    def make(recipe: str | dict[str, Any], size: int = 32, view: str = "v1") -> ViewPlan:
        steps = recipe_steps(recipe) if isinstance(recipe, str) else recipe
        return ViewPlan(view.split(".")[0], size, tuple(steps.items()), view)

    return make


@pytest.fixture
def images() -> torch.Tensor:
    """64 smooth colourful images, uint8 [64 3 32 32]."""
    noise = torch.rand(64, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(noise, (32, 32), mode="bicubic", antialias=True)
    return (smooth.clamp(0, 1) * 255).to(torch.uint8)


@pytest.fixture
def write_image() -> Callable[[Path, int], None]:
    """Writes a small picture that depends on a number; the format follows the extension."""

    def write(path: Path, number: int = 0, size: tuple[int, int] = (24, 20)) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)

    return write


@pytest.fixture
def class_folder(tmp_path: Path, write_image: Callable[..., None]) -> Path:
    """Two classes of five images, a text file and a hidden file."""
    root = tmp_path / "pets"
    for label, name in enumerate(("cat", "dog")):
        for number in range(5):
            write_image(root / name / f"{number}.png", 10 * label + number)
    (root / "cat" / "notes.txt").write_text("not an image")
    (root / ".DS_Store").write_text("x")
    return root


@pytest.fixture
def cifar10() -> Path:
    """CIFAR-10 as class folders under train/ and test/."""
    folder = os.environ.get("GRAPHSSL_CIFAR10")
    if not folder:
        pytest.skip("set GRAPHSSL_CIFAR10 to a folder with CIFAR-10 as train/CLASS/*.jpg and test/CLASS/*.jpg")
    return Path(folder)
