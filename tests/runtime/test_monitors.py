"""A finished run's losses and monitors on the test images."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from graphssl.data.loader import eval_batches
from graphssl.data.sources import open_data
from graphssl.evaluate.features import view_of
from graphssl.evaluate.monitors import monitors_of_run
from graphssl.evaluate.run import load_run
from tests.runtime.conftest import DATA


def test_a_classifier_is_judged_on_whole_test_images(train: Callable[..., int], tmp_path: Path) -> None:
    overrides = {"nodes.f.from": None, "nodes.g.from": None, "train.images": "100%"}
    assert train("simclr_v2_finetune", tmp_path / "run", overrides, steps=3) == 0
    found = monitors_of_run(str(tmp_path / "run"), DATA, batch_size=48, device="cpu")
    method, module = load_run(tmp_path / "run")
    size, steps = view_of(method.checked_graph().nodes["v"])
    right, cost, test = 0, 0.0, open_data(DATA, "test")
    with torch.no_grad():
        for images, labels in eval_batches(test, size=size, steps=steps, batch_size=1, workers=0):
            logits = module({"v": images, "y": labels}, keep=["logits"]).values["logits"]
            right += int(logits.argmax()) == int(labels)
            cost -= float(logits[0].log_softmax(0)[int(labels)])
    assert found["images"] == len(test)
    assert found["monitors"]["accuracy"] == pytest.approx(right / len(test))
    assert found["losses"]["loss"] == pytest.approx(cost / len(test), rel=1e-5)


def test_views_of_several_sizes_and_masks_are_given_too_and_no_state_moves(
    train: Callable[..., int], tmp_path: Path
) -> None:
    assert train("ibot", tmp_path / "run", steps=2) == 0
    before = {file: file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file()}
    found = monitors_of_run(str(tmp_path / "run"), DATA, device="cpu")
    assert found == monitors_of_run(str(tmp_path / "run"), DATA, device="cpu")
    assert 0 < found["losses"]["loss"] < 2 * math.log(24)
    assert found["losses"]["patch_loss"] == 0, "nothing is hidden"
    assert before == {file: file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file()}
