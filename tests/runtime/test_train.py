"""Training: what a run leaves behind, resuming to the bit, interruption, and clear refusals."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import graphssl
from graphssl.runtime.errors import RunError
from graphssl.runtime.folder import RunFolder
from tests.conftest import METHODS
from tests.runs import at_step, final, logged

Train = Callable[..., int]


def test_a_run_leaves_method_metrics_summary_and_checkpoint(train: Train, tmp_path: Path) -> None:
    assert train("simclr", tmp_path / "run", steps=4, eval_every=None, eval_samples=20) == 0
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names >= {"method.yaml", "metrics.jsonl", "summary.json", "checkpoints"}
    records = logged(tmp_path / "run")
    assert [r["step"] for r in records if "loss" in r] == [1, 2, 3, 4]
    assert all(0 <= r["knn"] <= 1 for r in records if "knn" in r)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["steps"] == 4 and summary["method"] == "simclr" and summary["knn"]["last"] == records[-1]["knn"]
    assert graphssl.check(str(tmp_path / "run" / "method.yaml"), static=True) == []


@pytest.mark.parametrize("name", METHODS)
def test_a_resumed_run_equals_the_unbroken_one_bit_for_bit(name: str, train: Train, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(name, whole, steps=6)
    with at_step(3, lambda _: os.kill(os.getpid(), signal.SIGINT)):
        assert train(name, parts, steps=6) == 130
    facts = json.loads((RunFolder(parts).latest_checkpoint() / "state.json").read_text())  # type: ignore[operator]
    assert facts["step"] == 3
    assert train(name, parts, steps=6, resume=True) == 0
    a, b = final(whole), final(parts)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[key], b[key]) for key in a), [key for key in a if not torch.equal(a[key], b[key])]
    assert logged(whole) == logged(parts)


def test_two_runs_of_one_seed_are_equal_and_of_two_seeds_are_not(train: Train, tmp_path: Path) -> None:
    for out, seed in (("a", 0), ("b", 0), ("c", 1)):
        train("byol", tmp_path / out, {"train.seed": seed}, steps=2)
    assert logged(tmp_path / "a") == logged(tmp_path / "b")
    assert logged(tmp_path / "a") != logged(tmp_path / "c")


@pytest.mark.parametrize("name", ["byol", "moco_v2"])
def test_state_moves_once_per_optimizer_step_under_accumulation(name: str, train: Train, tmp_path: Path) -> None:
    train(name, tmp_path / "run", {"train.accumulate": 2}, steps=3)
    tensors = final(tmp_path / "run")
    slow = "ft" if name == "byol" else "fk"
    assert not torch.equal(tensors[f"{slow}.conv1.weight"], tensors["f.conv1.weight"])
    if name == "moco_v2":
        assert int(tensors["queue.pointer"]) == 3 * 16 % 40


def test_a_folder_that_holds_something_is_never_overwritten(train: Train, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    with pytest.raises(RunError, match="not empty"):
        train("simclr", tmp_path / "full", steps=1)
    train("simclr", tmp_path / "run", steps=1)
    with pytest.raises(RunError, match="holds a run"):
        train("simclr", tmp_path / "run", steps=1)
    assert (tmp_path / "full" / "thesis.txt").read_text() == "years of work"


def test_resuming_a_finished_run_is_refused_in_words(train: Train, tmp_path: Path) -> None:
    train("simclr", tmp_path / "run", steps=2)
    with pytest.raises(RunError, match="is finished"):
        train("simclr", tmp_path / "run", steps=2, resume=True)


def test_resume_of_a_run_that_never_began_starts_it(train: Train, tmp_path: Path) -> None:
    assert train("simclr", tmp_path / "run", steps=1, resume=True) == 0


@pytest.mark.parametrize(
    ("overrides", "options", "message"),
    [
        ({"train.batch_size": 100}, {}, "64 images"),
        ({"train.accumulate": 3}, {}, "cannot be split"),
        ({"train.precision": "fp16"}, {}, "fp16 needs a GPU"),
        ({}, {"device": "tpu"}, "--device expects"),
        ({}, {"data": "no/such/folder"}, "no/such/folder"),
    ],
)
def test_mistakes_end_in_one_sentence(
    overrides: dict[str, Any], options: dict[str, Any], message: str, train: Train, tmp_path: Path
) -> None:
    from graphssl.data.errors import DataError

    with pytest.raises((RunError, DataError), match=message):
        train("simclr", tmp_path / "run", overrides, steps=1, **options)


def test_a_checkpoint_cut_short_is_named(train: Train, tmp_path: Path) -> None:
    train("simclr", tmp_path / "run", steps=2, checkpoint_every=0.25)
    latest = RunFolder(tmp_path / "run").latest_checkpoint()
    assert latest is not None
    file = latest / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(RunError, match="cannot read"):
        train("simclr", tmp_path / "run", steps=4, resume=True, allow_changed=True)


def test_a_failed_checkpoint_leaves_the_older_one(train: Train, tmp_path: Path, monkeypatch: Any) -> None:
    from graphssl.runtime import checkpoint

    train("simclr", tmp_path / "run", steps=1)
    before = RunFolder(tmp_path / "run").latest_checkpoint()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(RunError, match="no space left"):
        train("simclr", tmp_path / "run", steps=2, resume=True, allow_changed=True)
    assert RunFolder(tmp_path / "run").latest_checkpoint() == before
    assert not [p for p in (tmp_path / "run" / "checkpoints").iterdir() if p.name.startswith(".")]


def test_unreadable_images_are_replaced_counted_and_named_once(train: Train, tmp_path: Path, capsys: Any) -> None:
    from PIL import Image

    for i in range(40):
        folder = tmp_path / "data" / f"class{i % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (i * 6, 0, 99)).save(folder / f"{i}.png")
    broken = tmp_path / "data" / "class0" / "broken.jpg"
    broken.write_bytes(b"not an image")
    assert train("simclr", tmp_path / "run", data=str(tmp_path / "data"), steps=6, max_bad=0.1) == 0
    assert capsys.readouterr().err.count("broken.jpg") == 1
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert [Path(path).name for path in summary["bad_images"]] == ["broken.jpg"]
    (tmp_path / "data" / "class0" / "empty.jpg").touch()
    with pytest.raises(RunError, match="cannot be read"):
        train("simclr", tmp_path / "strict", data=str(tmp_path / "data"), steps=8, max_bad=0.0)
