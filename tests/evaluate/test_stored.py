"""Features on disk: used when all they depend on is the same, computed anew when anything is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from graphssl.data.sources import open_data
from graphssl.evaluate.features import extract
from graphssl.evaluate.frozen import FrozenRun
from graphssl.runtime.folder import RunFolder

DATA = "shapes:32,64"


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The splits whose features were computed, in order."""
    splits: list[str] = []
    whole = FrozenRun._compute
    monkeypatch.setattr(
        FrozenRun, "_compute", lambda run, source, split: splits.append(split) or whole(run, source, split)
    )  # type: ignore[func-returns-value]
    return splits


def test_a_second_protocol_reads_the_same_bits(own_run: Path, computed: list[str]) -> None:
    first = FrozenRun(str(own_run)).labelled(DATA)
    second = FrozenRun(str(own_run)).labelled(DATA)
    assert computed == ["train", "test"]
    assert torch.equal(first.bank, second.bank) and torch.equal(first.labels, second.labels)
    module = FrozenRun(str(own_run))
    alone, labels = extract(module.module, module.graph, open_data(DATA, "test"), device=torch.device("cpu"))
    assert torch.equal(second.queries, alone) and torch.equal(second.labels, labels)


def test_other_weights_of_the_same_step_are_noticed(own_run: Path, computed: list[str]) -> None:
    before = FrozenRun(str(own_run)).labelled(DATA)
    latest = RunFolder(own_run).latest_checkpoint()
    assert latest is not None
    file = latest / "model.safetensors"
    tensors = load_file(file)
    tensors["f.conv1.weight"] = tensors["f.conv1.weight"] * 0.5
    save_file(tensors, file)
    after = FrozenRun(str(own_run)).labelled(DATA)
    assert computed == ["train", "test"] * 2
    assert not torch.equal(before.bank, after.bank)


def test_another_image_of_the_same_name_is_noticed(
    own_run: Path, folder: Callable[..., Path], computed: list[str]
) -> None:
    places = [f"{split}/{name}/{i}.png" for split in ("train", "test") for name in "ab" for i in range(2)]
    data = folder(*places)
    before = FrozenRun(str(own_run)).labelled(str(data))
    (data / "train/a/0.png").write_bytes((data / "train/b/1.png").read_bytes())
    after = FrozenRun(str(own_run)).labelled(str(data))
    assert computed == ["train", "test", "train"] or computed == ["train", "test", "train", "test"]
    assert not torch.equal(before.bank[0], after.bank[0])
    torch.testing.assert_close(after.bank[0], after.bank[3])


def test_random_weights_have_a_key_of_their_own(own_run: Path) -> None:
    source = open_data(DATA, "test")
    keys = [FrozenRun(str(own_run), **given).key(source, "test") for given in ({}, {"features": "random"})]
    assert {name for name in keys[0] if keys[0][name] != keys[1][name]} == {"features", "step", "weights"}
    assert json.loads(json.dumps(keys[0]))["precision"] == "fp32"


@pytest.mark.parametrize(
    "harm", [lambda file: file.write_bytes(b"{}"), lambda file: file.write_bytes(file.read_bytes()[:-9])]
)
def test_a_damaged_file_is_made_anew(own_run: Path, harm: Callable[[Path], Any], computed: list[str]) -> None:
    before = FrozenRun(str(own_run)).labelled(DATA)
    files = sorted((own_run / "features").glob("*.safetensors"))
    assert len(files) == 2
    harm(files[0])
    assert torch.equal(FrozenRun(str(own_run)).labelled(DATA).bank, before.bank)
    assert len(computed) == 3
    FrozenRun(str(own_run)).labelled(DATA)
    assert len(computed) == 3


def test_where_nothing_can_be_kept_that_is_told_once(
    own_run: Path, computed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (own_run / "features").touch()  # where the folder should be
    FrozenRun(str(own_run)).labelled(DATA)
    assert capsys.readouterr().err.count("features are not kept") == 1
    FrozenRun(str(own_run)).labelled(DATA)
    assert len(computed) == 4


def test_without_the_cache_nothing_is_written(own_run: Path, computed: list[str]) -> None:
    FrozenRun(str(own_run), cache=False).labelled(DATA)
    FrozenRun(str(own_run), features="pixels").labelled(DATA)
    assert not (own_run / "features").exists()
