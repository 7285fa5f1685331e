"""Object discovery: LOST and attention against slow loops, on planted objects, and on toy runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

import graphssl
from graphssl.cli import main
from graphssl.data.sources import open_data
from graphssl.evaluate.localisation import attended, box_around, localisation_of_run, lost, piece_at, take_size
from graphssl.runtime.errors import RunError

Trained = Callable[[str], Path]


def slow_lost(features: Tensor, share: float) -> set[int]:
    """Places row by row."""
    height, width = features.shape[1:]
    places = [features[:, i // width, i % width] for i in range(height * width)]
    mean = sum(places) / len(places)
    places = [(place - mean) / (place - mean).norm() for place in places]
    agree = [[float(p @ q) >= 0 for q in places] for p in places]
    order = sorted(range(len(places)), key=lambda i: sum(agree[i]))
    seed = order[0]
    grown = [q for q in order[: max(1, round(share * len(places)))] if agree[seed][q]]
    found = {p for p in range(len(places)) if sum(float(places[p] @ places[s]) for s in grown) >= 0}
    piece, rim = {seed}, [seed]
    while rim:
        i = rim.pop()
        around = {(i // width + a, i % width + b) for a, b in ((0, 1), (1, 0), (0, -1), (-1, 0))}
        for row, column in around:
            j = row * width + column
            if 0 <= row < height and 0 <= column < width and j in found and j not in piece:
                piece.add(j)
                rim.append(j)
    return piece


@pytest.mark.parametrize("seed", range(5))
def test_lost_equals_the_loop(seed: int) -> None:
    features = torch.randn(3, 5, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert set(lost(features, share=0.2).flatten().nonzero()[:, 0].tolist()) == slow_lost(features, 0.2)


@pytest.mark.parametrize("positive", [False, True], ids=["signed", "behind a ReLU"])
def test_lost_finds_a_planted_object(positive: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    ground, thing = torch.randn(2, 16, 1, 1, generator=generator)
    features = ground + 0.3 * torch.randn(16, 10, 12, generator=generator)
    features[:, 3:7, 5:10] = thing + 0.3 * torch.randn(16, 4, 5, generator=generator)
    found = lost(features + 10 if positive else features)
    assert box_around(found).tolist() == [5, 3, 10, 7]


def test_attention_keeps_the_fewest_patches_that_hold_the_mass() -> None:
    weights = torch.tensor([[0.30, 0.20, 0.02], [0.05, 0.15, 0.01], [0.12, 0.01, 0.14]])
    kept = attended(torch.stack([weights + 0.01, weights - 0.01]), mass=0.6)
    assert kept.tolist() == [
        [True, True, False],
        [False, True, False],
        [False, False, False],
    ]  # 0.14 is not beside them


def test_a_piece_does_not_join_at_corners() -> None:
    area = torch.tensor([[True, False], [False, True]])
    assert piece_at(area.clone(), 0).tolist() == [[True, False], [False, False]]
    assert piece_at(area.clone(), 3).tolist() == [[False, False], [False, True]]


@pytest.mark.parametrize(("method", "how"), [("simclr", "lost"), ("dino", "lost"), ("dino", "attention")])
def test_boxes_of_a_run_are_held_against_the_known_ones(
    trained: Trained, method: str, how: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["eval", "localisation", str(trained(method)), "--data", "shapes_single:64,64", "--how", how]
    assert main([*words, "--size", "64", "--format", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["images"] == 16 and result["image_size"] == 64 and 0 <= result["corloc"] <= 1
    overlaps = []
    for index in range(16):
        left, top, right, bottom = open_data("shapes_single:64,64", "test").boxes(index)[0].tolist()
        overlaps.append((right - left) * (bottom - top) / 64**2)
    assert result["whole_image"]["mean_iou"] == pytest.approx(sum(overlaps) / 16, rel=1e-5)
    side = {"simclr": 4, "dino": 8}[method]
    assert result["grid"] == [side, side]

    def perfect(encoder: object, images: Tensor, how: str) -> list[Tensor]:
        return [open_data("shapes_single:64,64", "test").label_map(i) > 0 for i in range(16)]

    monkeypatch.setattr("graphssl.evaluate.localisation.areas", perfect)
    truth = localisation_of_run(str(trained(method)), "shapes_single:64,64", how=how, size=64)
    assert truth["corloc"] == 1 and truth["mean_iou"] > 0.9


def test_a_fixed_transformer_takes_another_size(trained: Trained) -> None:
    from timm.models.vision_transformer import VisionTransformer

    encoder = graphssl.load_encoder(trained("dino"))
    encoder.ft = VisionTransformer(img_size=32, patch_size=8, embed_dim=16, depth=1, num_heads=2, num_classes=0)
    take_size(encoder, 64)
    assert encoder.map(torch.zeros(1, 3, 64, 64)).shape == (1, 16, 8, 8)
    with pytest.raises(RunError, match="images of 60 px cannot be cut into patches of 8"):
        take_size(encoder, 60)


def test_attention_of_a_convnet_is_one_sentence(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["eval", "localisation", str(trained("simclr")), "--data", "shapes_single:32,64", "--how", "attention"])
        == 2
    )
    assert "attention needs a vision transformer, and ResNet is none" in capsys.readouterr().err
