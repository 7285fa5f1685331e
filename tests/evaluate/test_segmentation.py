"""`graphssl eval segmentation`: scores against a slow loop, and the whole of it on toy runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from graphssl.cli import main
from graphssl.data.shapes import ShapesSource
from graphssl.data.sources import open_data
from graphssl.evaluate.segmentation import confusion_matrix, iou
from graphssl.evaluate.whole_images import whole_images

Trained = Callable[[str], Path]


def test_scores_are_those_of_a_loop_over_pixels() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(0, 4, (9, 7), generator=generator).to(torch.uint8)
    truth[2:4] = 255
    guess = torch.randint(0, 3, (9, 7), generator=generator)  # class 3 is never said, class 4 is nowhere
    found = iou(confusion_matrix(guess, truth, 5))
    for number in range(5):
        both = either = 0
        for row in range(9):
            for column in range(7):
                if truth[row, column] != 255:
                    is_it, said = int(truth[row, column]) == number, int(guess[row, column]) == number
                    both += is_it and said
                    either += is_it or said
        assert found[number] == (pytest.approx(both / either) if either else None)
    assert found[3] == 0 and found[4] is None


def test_whole_images_are_all_of_each_image_in_order() -> None:
    source = open_data("shapes:48,44", "test")
    parts = list(whole_images(source, size=48, normalize="none", batch_size=4))
    assert [numbers for numbers, _ in parts] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
    for numbers, images in parts:
        for number, image in zip(numbers, images, strict=True):
            torch.testing.assert_close(image, source.load(number).float() / 255, rtol=0, atol=2e-3)


@pytest.mark.parametrize("method", ["simclr", "dino"])
def test_the_head_is_trained_on_the_run_and_scored(
    trained: Trained, method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained(method), run)
    words = ["eval", "segmentation", str(run), "--data", "shapes:32,64", "--epochs", "8", "--format", "json"]
    assert main([*words, "--set", "train.lr.base=0.02"]) == 0
    result = json.loads(capsys.readouterr().out)
    scored = [value for value in result["iou"].values() if value is not None]
    assert list(result["iou"])[:2] == ["background", "arrow"] and result["classes"] == 11
    assert result["miou"] == pytest.approx(sum(scored) / len(scored))
    # that all is background, and that all is of another class, are the answers that know nothing
    truth = torch.stack([open_data("shapes:32,64", "test").label_map(i) for i in range(16)])
    assert result["iou"]["background"] > 0.4 and result["pixel_accuracy"] > 0.9 * float((truth == 0).float().mean())
    assert json.loads((run / "summary.json").read_text())["evaluations"]["segmentation"]["miou"] == result["miou"]
    assert (run / "evaluations" / "segmentation" / "checkpoints").is_dir()


def test_a_folder_of_images_and_masks_gives_what_its_source_gives(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in ("train", "test"):
        source = open_data("shapes:32,40", split)
        assert isinstance(source, ShapesSource)
        for kind in ("images", "masks"):
            (tmp_path / split / kind).mkdir(parents=True)
        for index in range(len(source)):
            Image.fromarray(source.load(index).permute(1, 2, 0).numpy()).save(
                tmp_path / split / f"images/{index:03d}.png"
            )
            mask = Image.fromarray(source.label_map(index).numpy())
            mask.putpalette([number * 20 % 256 for number in range(768)])
            mask.save(tmp_path / split / f"masks/{index:03d}.png")
    (tmp_path / "classes.txt").write_text("\n".join(ShapesSource.map_classes))
    results = []
    for name, data in (("a", "shapes:32,40"), ("b", str(tmp_path))):
        words = ["eval", "segmentation", str(trained("dino")), "--data", data, "--into", str(tmp_path / name)]
        assert main([*words, "--epochs", "1", "--format", "json"]) == 0
        results.append(json.loads(capsys.readouterr().out))
    assert {**results[0], "run": ""} == {**results[1], "run": ""}


def test_data_without_masks_is_refused_before_anything_is_trained(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in ("train", "test"):
        (tmp_path / "data" / split).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "data" / split / "a.png")
    words = [
        "eval",
        "segmentation",
        str(trained("simclr")),
        "--data",
        str(tmp_path / "data"),
        "--into",
        str(tmp_path / "out"),
    ]
    assert main(words) == 2
    assert "says nothing about pixels" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_masks_of_one_class_are_refused(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind, mode in (("images", "RGB"), ("masks", "L")):
        for split in ("train", "test"):
            (tmp_path / split / kind).mkdir(parents=True)
            Image.new(mode, (8, 8)).save(tmp_path / split / kind / "a.png")
    assert (
        main(["eval", "segmentation", str(trained("simclr")), "--data", str(tmp_path), "--into", str(tmp_path / "out")])
        == 2
    )
    assert "hold one class only" in capsys.readouterr().err


def test_monitors_say_who_judges_label_maps(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["eval", "segmentation", str(trained("simclr")), "--data", "shapes:32,64", "--epochs", "0.1"]
    assert main([*words, "--into", str(tmp_path / "out")]) == 0
    assert main(["eval", "monitors", str(tmp_path / "out"), "--data", "shapes:32,64"]) == 2
    assert "graphssl eval segmentation" in capsys.readouterr().err
