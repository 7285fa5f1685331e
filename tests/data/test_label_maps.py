"""Label maps: they follow the views of their images pixel by pixel, and folders of masks are read or refused in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from graphssl.data.augment import ViewPlan, Views
from graphssl.data.cache import cached
from graphssl.data.errors import DataError, NoSplit
from graphssl.data.label_maps import LabelMaps, boxes_of, with_label_maps
from graphssl.data.loader import train_loader
from graphssl.data.sampler import EpochSampler
from graphssl.data.samples import Samples
from graphssl.data.sources import open_data
from graphssl.data.subset import Subset

NORMAL = {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]}

GEOMETRIES: dict[str, tuple[tuple[str, Any], ...]] = {
    "crop and flip": (("crop", {"scale": [0.3, 1.0]}), ("flip", {"p": 0.5})),
    "crop as simclr": (("crop", {"method": "simclr", "interpolation": "bicubic"}), ("vertical_flip", {"p": 0.5})),
    "resize and centre": (("resize", {}), ("center_crop", {}), ("normalize", NORMAL)),
    "rotated": (("crop", {"scale": [0.5, 1.0]}), ("jitter", {"p": 1.0}), ("rotate", {"p": 1.0, "degrees": 30})),
}


def pictures(size: tuple[int, int], count: int = 6) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Images whose grey level is 40 times the number of the class, in large smooth areas; and their label maps."""
    maps, (height, width) = [], size
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    for i in range(count):
        maps.append((((rows * 2 // height) + 2 * (columns * 3 // width) + i) % 6).to(torch.uint8))
    return [(40 * labels)[None].expand(3, -1, -1).contiguous() for labels in maps], maps


@pytest.mark.parametrize("size", [(48, 48), (90, 130)], ids=["small", "large"])
@pytest.mark.parametrize("steps", GEOMETRIES.values(), ids=list(GEOMETRIES))
def test_label_maps_go_where_their_pixels_go(steps: tuple[tuple[str, Any], ...], size: tuple[int, int]) -> None:
    images, maps = pictures(size)
    steps = tuple((name, value) for name, value in steps if name != "jitter")  # grey levels are read below
    views = Views(ViewPlan("v", 80, steps, "v"), seed=1)
    samples = Samples(images, np.arange(6), epoch=2, label_maps=maps)
    shown, found = views(samples), LabelMaps(views)(samples)
    assert isinstance(shown, torch.Tensor) and isinstance(found, torch.Tensor)
    assert found.shape == (6, 80, 80) and found.dtype == torch.int64
    seen = shown[:, 0] * 255 / 40
    clear = (seen - seen.round()).abs() < 0.02  # not at an edge, where bilinear colours are between
    agree = (seen.round().long() == found)[clear].float().mean()
    assert clear.float().mean() > 0.6 and agree > 0.99


def test_colours_and_noise_leave_the_label_map_alone() -> None:
    images, maps = pictures((40, 40))
    samples = Samples(images, np.arange(6), epoch=0, label_maps=maps)
    geometry = (("crop", {"scale": [0.3, 1.0]}), ("flip", {"p": 0.5}))
    plain = Views(ViewPlan("v", 32, geometry, "v"), seed=1)
    changed = Views(ViewPlan("v", 32, (*geometry, ("jitter", {"p": 1.0}), ("erase", {"p": 1.0})), "v"), seed=1)
    assert torch.equal(LabelMaps(plain)(samples), LabelMaps(changed)(samples))  # type: ignore[arg-type]


def test_a_list_of_views_gives_a_list_of_label_maps() -> None:
    images, maps = pictures((40, 40))
    before = [labels.clone() for labels in maps]
    plans = [
        ViewPlan("v", 40, (("flip", {"p": 1.0}),), "v.0"),
        ViewPlan("v", 40, (("vertical_flip", {"p": 1.0}),), "v.1"),
    ]
    found = LabelMaps(Views(plans, seed=1))(Samples(images, np.arange(6), epoch=0, label_maps=maps))
    truth = torch.stack(before).long()
    assert torch.equal(found[0], truth.flip(-1)) and torch.equal(found[1], truth.flip(-2))
    assert all(map(torch.equal, maps, before))


def test_what_is_unknown_and_what_lies_beyond_the_image_counts_for_nothing() -> None:
    labels = torch.tensor([[3, 255], [254, 0]], dtype=torch.uint8)
    image = torch.zeros(3, 2, 2, dtype=torch.uint8)
    views = Views(ViewPlan("v", 4, (("center_crop", {}),), "v"), seed=0)
    found = LabelMaps(views)(Samples([image], np.arange(1), epoch=0, label_maps=[labels]))
    assert isinstance(found, torch.Tensor)
    assert found[0].tolist() == [[-1] * 4, [-1, 3, -1, -1], [-1, 254, 0, -1], [-1] * 4]


@pytest.mark.parametrize("workers", [0, 1])
def test_the_loader_gives_label_maps_beside_the_views(workers: int) -> None:
    source = Subset(cached(open_data("shapes:32,40"), 1 << 30), list(range(5, 37)))
    views = Views(ViewPlan("v", 32, (("center_crop", {}),), "v"), seed=0)
    sampler = EpochSampler(32, 8, rank=0, world_size=1, seed=0)
    made = train_loader(
        source, sampler, {"v": views, "y": LabelMaps(views)}, first_step=0, last_step=2, workers=workers
    )
    for batch in made:
        for index, image, labels in zip(batch.indices.tolist(), batch.views["v"], batch.views["y"], strict=True):
            assert torch.equal((image * 255).round().to(torch.uint8), open_data("shapes:32,40").load(index + 5))
            assert torch.equal(labels, open_data("shapes:32,40").label_map(index + 5).long())


def test_a_source_that_knows_no_pixels_is_told(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="says nothing about pixels: name a folder that has a mask for each image"):
        with_label_maps(cached(open_data(str(tmp_path)), 1 << 30))


# Folders of masks


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """A folder of 8 × 6 images `a`, `b`, … and a mask for each of these arrays."""

    def made(masks: list[np.ndarray], inside: str = "", palette: bool = False) -> Path:
        top = tmp_path / inside
        (top / "images").mkdir(parents=True)
        (top / "masks").mkdir()
        for letter, mask in zip("abcdef", masks, strict=False):
            Image.new("RGB", (8, 6), (ord(letter), 0, 0)).save(top / "images" / f"{letter}.jpg")
            picture = Image.fromarray(mask)
            if palette:
                picture.putpalette([i % 256 for i in range(768)])
            picture.save(top / "masks" / f"{letter}.png")
        return tmp_path

    return made


def mask(*numbers: int) -> np.ndarray:
    """uint8 (6 8) with these numbers in the first pixels, else 0."""
    made = np.zeros((6, 8), dtype=np.uint8)
    made.reshape(-1)[: len(numbers)] = numbers
    return made


@pytest.mark.parametrize("palette", [False, True])
def test_masks_are_matched_by_name_and_read_as_numbers(folder: Callable[..., Path], palette: bool) -> None:
    masks = [mask(1, 255, 2), mask(0, 3)]
    source = with_label_maps(open_data(str(folder(masks, palette=palette))))
    assert len(source) == 2 and source.load(1).shape == (3, 6, 8)
    assert [source.label_map(i).tolist() for i in range(2)] == [each.tolist() for each in masks]
    assert source.map_classes == ("0", "1", "2", "3")


def test_splits_lie_in_folders_and_classes_have_names(folder: Callable[..., Path]) -> None:
    folder([mask(1)], "train")
    root = folder([mask(0, 1), mask(2)], "val")
    (root / "classes.txt").write_text("nothing\ncat\ndog\n")
    test = open_data(str(root), "test")
    assert len(open_data(str(root))) == 1 and len(test) == 2
    assert with_label_maps(test).map_classes == ("nothing", "cat", "dog")
    assert with_label_maps(test).label_map(1)[0, 0] == 2


def test_without_names_the_classes_are_those_of_the_training_masks(folder: Callable[..., Path]) -> None:
    folder([mask(2)], "train")
    test = with_label_maps(open_data(str(folder([mask(1), mask(4)], "test")), "test"))
    assert len(test.map_classes) == 3 and test.label_map(0)[0, 0] == 1
    with pytest.raises(DataError, match=r"test/masks/b.png` holds class 4, but there are 3, .* `.*classes.txt`"):
        test.label_map(1)


def test_a_folder_without_held_out_images_has_no_test(folder: Callable[..., Path]) -> None:
    with pytest.raises(NoSplit, match="test"):
        open_data(str(folder([mask(1)], "train")), "test")


def test_images_without_masks_are_counted(folder: Callable[..., Path]) -> None:
    root = folder([mask(1)] * 4)
    (root / "masks" / "b.png").unlink()
    (root / "masks" / "d.png").unlink()
    with pytest.raises(DataError, match=r"images/b.jpg` has no mask, and 1 more have none; expected `.*masks/b.png`"):
        open_data(str(root))


def test_no_masks_at_all_is_one_sentence(folder: Callable[..., Path]) -> None:
    root = folder([mask(1)] * 3)
    for file in (root / "masks").iterdir():
        file.unlink()
    with pytest.raises(DataError, match=r"masks` holds no masks; put one there for each image"):
        open_data(str(root))


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (Image.new("L", (7, 6)), r"a.png` has 7 x 6 pixels but its image `.*a.jpg` 8 x 6"),
        (Image.new("RGB", (8, 6)), r"a.png` is a PNG of mode RGB; a mask is grey or has a palette"),
        (Image.fromarray(np.full((6, 8), 1000, dtype=np.uint16)), r"a.png` holds class 1000; numbers of classes end at 254"),
        (b"\x89PNG\r\n\x1a\n cut", r"a.png`, the mask of `.*a.jpg`, cannot be read: "),
    ],
    ids=["size", "colours", "deep", "cut"],
)  # fmt: skip
def test_a_mask_that_is_none_is_refused_with_its_file(folder: Callable[..., Path], picture: Any, expected: str) -> None:
    root = folder([mask(1)])
    file = root / "masks" / "a.png"
    file.write_bytes(picture) if isinstance(picture, bytes) else picture.save(file)
    with pytest.raises(DataError, match=expected):
        with_label_maps(open_data(str(root))).label_map(0)


def test_boxes_lie_around_the_pieces_of_each_class() -> None:
    labels = torch.zeros(10, 12, dtype=torch.uint8)
    labels[1:4, 2:7] = 1
    labels[4:6, 2:4] = 2
    labels[8:, 9:] = 1
    labels[0, 11] = 255
    assert sorted(boxes_of(labels).tolist()) == [[2, 1, 7, 4], [2, 4, 4, 6], [9, 8, 12, 10]]
    assert boxes_of(torch.zeros(4, 4, dtype=torch.uint8)).shape == (0, 4)
