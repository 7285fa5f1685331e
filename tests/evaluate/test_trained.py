"""Linear evaluation and fine-tuning: graphs on top of a run, trained by the runtime, and what they may not move."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import graphssl
from graphssl.cli import main
from graphssl.data.sources import open_data
from graphssl.data.subset import balanced_rest, balanced_share
from graphssl.evaluate.trained import require_unmoved
from graphssl.pipeline import load
from graphssl.runtime.errors import RunError
from graphssl.runtime.folder import RunFolder

DATA = "shapes:32,64"
Trained = Callable[[str], Path]


@pytest.fixture
def run(trained: Trained, tmp_path: Path) -> Callable[[str], Path]:
    """A toy run that may be written into."""

    def copy(method: str) -> Path:
        return Path(shutil.copytree(trained(method), tmp_path / method))

    return copy


def weights(run: Path) -> dict[str, torch.Tensor]:
    latest = RunFolder(run).latest_checkpoint()
    assert latest is not None
    return load_file(latest / "model.safetensors")


def evaluated(capsys: Any, *words: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["eval", *words, "--data", DATA, "--format", "json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize(("method", "classifiers"), [("simclr", 13), ("dino", 13)])
def test_the_best_of_a_grid_is_chosen_on_images_that_no_classifier_saw(
    run: Callable[[str], Path], capsys: Any, method: str, classifiers: int
) -> None:
    folder = run(method)
    found = evaluated(capsys, "linear", str(folder), "--epochs", "1")
    source = open_data(DATA, "train")
    assert (found["images"], found["chosen_on"]) == (len(balanced_share(source, 0.9, seed=0)), 64 - found["images"])
    assert len(found["grid"]) == classifiers
    best = max(found["grid"], key=lambda one: one["held_out"])
    assert found["top1"] == best["top1"] and found["best"] == f"{best['node']}, lr {best['lr']:g}"
    rates = [one["lr"] for one in found["grid"]]
    assert max(rates) / min(rates) == pytest.approx(1e4)
    assert RunFolder(folder).summary()["evaluations"]["linear dinov2"]["top1"] == found["top1"]


def test_held_out_images_are_the_rest_of_the_share() -> None:
    source = open_data("shapes:32,200", "train")
    taken, rest = balanced_share(source, 0.9, seed=3), balanced_rest(source, 0.9, seed=3)
    assert rest is not None
    both = [*taken.indices, *rest.indices]  # type: ignore[attr-defined]
    assert sorted(both) == list(range(200))
    assert sorted(rest.label(i) for i in range(20)) == [c for c in range(10) for _ in range(2)]
    assert balanced_rest(source, 1.0, seed=3) is None


def test_class_tokens_of_four_blocks_are_taken_where_there_are_four(tmp_path: Path) -> None:
    from graphssl.evaluate.encoder import RunEncoder
    from graphssl.evaluate.trained import has_class_tokens

    deep = {"nodes.f.args": {"patch_size": 8, "embed_dim": 16, "depth": 4, "num_heads": 2}}
    for overrides, expected in ((deep, True), ({**deep, "nodes.f.args.depth": 3}, False)):
        method = load("dino@quick", overrides)
        assert has_class_tokens(RunEncoder(graphssl.compile(method), method.checked_graph()), 4) == expected


def test_a_frozen_encoder_is_the_runs_to_the_bit_and_a_moved_one_is_told(
    run: Callable[[str], Path], capsys: Any
) -> None:
    folder = run("simclr")
    found = evaluated(capsys, "linear", str(folder), "--protocol", "moco", "--epochs", "1")
    graph = load(str(Path(found["run"]) / "method.yaml")).checked_graph()
    theirs = {name for name in weights(folder) if name.startswith("f.")}
    assert require_unmoved(graph, Path(found["run"])) == len(theirs) > 20
    latest = RunFolder(found["run"]).latest_checkpoint()
    assert latest is not None
    tensors = load_file(latest / "model.safetensors")
    tensors["f_f.bn1.running_mean"] += 1e-6
    save_file(tensors, latest / "model.safetensors")
    with pytest.raises(RunError, match=r"f_f\.bn1\.running_mean"):
        require_unmoved(graph, Path(found["run"]))


def test_fine_tuning_starts_from_the_run_and_moves_all_of_it(run: Callable[[str], Path], capsys: Any) -> None:
    folder = run("simclr")
    found = evaluated(capsys, "finetune", str(folder), "--epochs", "1", "--set", "train.lr=0")
    before, after = weights(folder), weights(Path(found["run"]))
    parameters = [
        name for name in before if name.startswith("f.") and "running" not in name and "num_batches" not in name
    ]
    assert all(torch.equal(before[name], after[f"f_{name}"]) for name in parameters)
    tuned = evaluated(capsys, "finetune", str(folder), "--epochs", "1", "--into", str(folder / "tuned"))
    moved = weights(Path(tuned["run"]))
    still = [name for name in parameters if torch.equal(before[name], moved[f"f_{name}"])]
    assert len(still) < len(parameters) / 4  # toy encoders have dead channels


def test_from_scratch_is_the_same_network_with_other_weights_and_few_labels_are_balanced(
    run: Callable[[str], Path], capsys: Any
) -> None:
    folder = run("dino")
    found = evaluated(
        capsys, "finetune", str(folder), "--labels", "50%", "--scratch", "--epochs", "1", "--set", "train.lr=0"
    )
    before, after = weights(folder), weights(Path(found["run"]))
    name = "blocks.0.attn.qkv.weight"
    assert before[f"ft.{name}"].shape == after[f"f_ft.{name}"].shape
    assert not torch.equal(before[f"ft.{name}"], after[f"f_ft.{name}"])
    assert found["images"] == len(balanced_share(open_data(DATA, "train"), 0.5, seed=0))
    assert "finetune 50% from scratch" in RunFolder(folder).summary()["evaluations"]


def test_a_graph_of_ones_own_is_a_protocol_too(run: Callable[[str], Path], tmp_path: Path, capsys: Any) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("graphssl: 1\nextends: linear\nname: mine\ntrain: {lr: {$replace: true, base: 1}, epochs: 1}\n")
    assert 0 <= evaluated(capsys, "linear", str(run("simclr")), "--protocol", str(mine))["top1"] <= 1


def test_mistakes_are_told_in_one_sentence(trained: Trained, tmp_path: Path, capsys: Any) -> None:
    one = tmp_path / "one"
    (one / "train" / "cat").mkdir(parents=True)
    (one / "test" / "cat").mkdir(parents=True)
    from PIL import Image

    for split in ("train", "test"):
        Image.new("RGB", (32, 32)).save(one / split / "cat" / "a.png")
    run = str(trained("simclr"))
    for words, sentence in (
        (
            ["linear", run, "--data", DATA, "--protocol", "mocov2"],
            "there is no protocol `mocov2`; known: moco, moco_v3",
        ),
        (
            ["linear", run, "--data", str(one)],
            "at least two classes, and `" + str(one) + "` has no labels, or only one class",
        ),
        (["finetune", str(tmp_path), "--data", DATA], "is no run folder"),
        (["finetune", run, "--data", DATA, "--labels", "7"], "`train.images` expects a share"),
    ):
        capsys.readouterr()
        assert main(["eval", *words]) in (1, 2)
        assert sentence in capsys.readouterr().err
