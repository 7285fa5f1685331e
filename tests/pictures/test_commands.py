"""The commands that draw pictures: what they write, and what they say of wrong use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from graphssl.cli import main
from graphssl.pictures.sheet import SIDE

Trained = Callable[[str], Path]


@pytest.mark.parametrize("method", ["simclr", "dino"])
def test_pca_draws_a_sheet_of_a_folder(trained: Trained, photos: Path, tmp_path: Path, method: str) -> None:
    for words, name in (([], "after.png"), (["--random"], "before.png"), (["--no-foreground"], "all.png")):
        assert main(["pca", str(trained(method)), str(photos), "-o", str(tmp_path / name), *words]) == 0
    drawn = {name: Image.open(tmp_path / f"{name}.png") for name in ("after", "before", "all")}
    assert all(image.width >= 3 * 2 * SIDE for image in drawn.values())
    assert len({image.tobytes() for image in drawn.values()}) == 3


def test_attention_draws_each_head(trained: Trained, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "attention.html"
    assert main(["attention", str(trained("dino")), str(photos), "-o", str(out)]) == 0
    text = out.read_text()
    assert text.count("<img") == 3 * (1 + 1 + 2) and "head 2" in text and "head 3" not in text


@pytest.mark.parametrize("suffix", ["png", "html"])
def test_neighbours_draws_each_query(trained: Trained, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"neighbours.{suffix}"
    words = ["neighbours", str(trained("simclr")), "--data", "shapes:32,64", "--queries", "3", "--k", "4"]
    assert main([*words, "-o", str(out)]) == 0
    if suffix == "html":
        assert out.read_text().count("<img") == 3 * 5


@pytest.mark.parametrize(("by", "suffix"), [("tsne", "html"), ("pca", "svg"), ("pca", "png")])
def test_project_draws_a_point_an_image_the_same_again(trained: Trained, tmp_path: Path, by: str, suffix: str) -> None:
    words = ["project", str(trained("simclr")), "--data", "shapes:32,64", "--by", by]
    for name in "ab":
        assert main([*words, "-o", str(tmp_path / f"{name}.{suffix}")]) == 0
    first, second = ((tmp_path / f"{name}.{suffix}").read_bytes() for name in "ab")
    assert first == second
    if suffix != "png":
        assert first.count(b'fill-opacity="0.75"') == 16


def wrong(trained: Trained, photos: Path) -> dict[str, tuple[list[str], str]]:
    """Command lines without -o, and what is said of each."""
    dino, simclr, one = str(trained("dino")), str(trained("simclr")), str(photos / "photo0.png")
    broken, empty, bare = photos / "broken.png", photos / "empty", photos / "run"
    broken.write_bytes(b"nothing")
    empty.mkdir()
    bare.mkdir()
    (bare / "method.yaml").write_text((trained("dino") / "method.yaml").read_text())
    return {
        "one image": (["pca", dino, one], "this is one: name at least two"),
        "broken": (["pca", dino, one, str(broken)], "is not an image in a known format"),
        "empty folder": (["pca", dino, str(empty)], "holds no images"),
        "no such file": (["pca", dino, str(photos / "photo9.png")], "the closest name there is"),
        "no checkpoint": (["pca", str(bare), one], "has no checkpoint yet"),
        "ConvNet": (["attention", simclr, one], "ResNet"),
        "k": (["neighbours", simclr, "--data", "shapes:32,64", "--k", "99"], "between 1 and the 64 images"),
        "few": (["project", simclr, "--data", "shapes:32,16"], "too few for a projection"),
    }


@pytest.mark.parametrize(
    "what", ["one image", "broken", "empty folder", "no such file", "no checkpoint", "ConvNet", "k", "few"]
)
def test_a_mistake_is_one_sentence(
    trained: Trained, photos: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    words, said = wrong(trained, photos)[what]
    capsys.readouterr()  # runs that are trained just now tell of themselves
    assert main([*words, "-o", str(photos / "out.png")]) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1 and not (photos / "out.png").exists()


def test_a_format_that_there_is_not_is_told_before_anything_is_computed(
    trained: Trained, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("pca", "attention"):
        assert main([command, "nowhere", str(photos), "-o", "out.gif"]) == 2
        assert "not as `out.gif`" in capsys.readouterr().err
