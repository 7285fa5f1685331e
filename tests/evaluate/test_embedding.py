"""`embed`: the features of evaluation, in Parquet or shards; the same bytes however it was interrupted and by how many processes."""

from __future__ import annotations

import csv
import errno
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from graphssl.data.errors import DataError
from graphssl.data.sources import open_data
from graphssl.evaluate.embedding import Shard, embed
from graphssl.evaluate.frozen import FrozenRun
from graphssl.runtime.errors import RunError

ROOT = Path(__file__).parents[2]
DATA = "shapes:32,64"
Trained = Callable[[str], Path]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def whole(trained: Trained, tmp_path: Path) -> dict[str, bytes]:
    """What an embedding without interruption writes: 64 and 16 images in shards of 10."""
    embed(str(trained("simclr")), DATA, str(tmp_path / "whole"), shard_images=10)
    return files(tmp_path / "whole")


def test_rows_of_parquet_are_those_of_evaluation(trained: Trained, tmp_path: Path) -> None:
    out = tmp_path / "features.parquet"
    told = embed(str(trained("simclr")), DATA, str(out), shard_images=10)
    assert (told["images"], told["left_out"], told["shards"], told["width"]) == (80, 0, 9, 8)
    table = pq.read_table(out)
    run = FrozenRun(str(trained("simclr")), cache=False)
    rows = table.to_pylist()
    for split in ("train", "test"):
        source = open_data(DATA, split)
        mine = [row for row in rows if row["split"] == split]
        features, labels = run.of(source, split)
        torch.testing.assert_close(torch.tensor([row["feature"] for row in mine]), features)
        assert [row["label"] for row in mine] == labels.tolist()
        assert [row["index"] for row in mine] == list(range(len(source)))
        assert [row["path"] for row in mine] == [source.describe(i) for i in range(len(source))]
        assert {row["class"] for row in mine} == set(source.classes)
    assert table.schema.field("feature").type.list_size == 8
    assert [path.name for path in tmp_path.iterdir()] == ["features.parquet"]


def test_shards_and_their_index_hold_the_same(whole: dict[str, bytes], trained: Trained, tmp_path: Path) -> None:
    embed(str(trained("simclr")), DATA, str(tmp_path / "f.parquet"), shard_images=10)
    parquet = pq.read_table(tmp_path / "f.parquet").to_pylist()
    with (tmp_path / "whole" / "index.csv").open(newline="") as opened:
        index = list(csv.DictReader(opened))
    assert len(index) == len(parquet) == 80
    for entry, row in zip(index, parquet, strict=True):
        assert (entry["path"], int(entry["index"]), entry["class"]) == (row["path"], row["index"], row["class"])
        feature = np.load(tmp_path / "whole" / entry["file"])[int(entry["row"])]
        assert feature.tolist() == row["feature"]


@pytest.mark.parametrize("at", [0, 4, 8])
def test_an_interrupted_one_goes_on_to_the_same_bytes(
    at: int, whole: dict[str, bytes], trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, write, written = tmp_path / "parts", Shard.write, list[int]()

    def interrupted(shard: Shard, *values: Any) -> None:
        if shard.number == at:
            shard.images.with_name(f".{shard.images.name}.part").write_bytes(b"half")
            raise KeyboardInterrupt
        written.append(shard.number)
        write(shard, *values)

    monkeypatch.setattr(Shard, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        embed(str(trained("simclr")), DATA, str(out), shard_images=10)
    assert written == list(range(at)) and "index.csv" not in files(out)
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.npy")}
    monkeypatch.setattr(Shard, "write", write)
    embed(str(trained("simclr")), DATA, str(out), shard_images=10)
    assert files(out) == whole
    assert before == {path: path.stat().st_mtime_ns for path in before}


@pytest.mark.parametrize(
    "how", [{"data": "shapes:32,72"}, {"features": "random"}, {"shard_images": 20}, {"split": "test"}]
)
def test_what_was_begun_otherwise_is_not_mixed(
    how: dict[str, Any], trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {"data": DATA, "out": str(tmp_path / "out"), "shard_images": 10}

    def full(*values: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Shard, "write", full)
    with pytest.raises(RunError, match="no space left on device; the shards that are there stay"):
        embed(str(trained("simclr")), **asked)
    before = files(tmp_path / "out")
    with pytest.raises(RunError, match="was begun with another"):
        embed(str(trained("simclr")), **{**asked, **how})
    assert files(tmp_path / "out") == before


def test_what_is_there_is_never_overwritten(whole: dict[str, bytes], trained: Trained, tmp_path: Path) -> None:
    run = str(trained("simclr"))
    with pytest.raises(RunError, match="is there already"):
        embed(run, DATA, str(tmp_path / "whole"), shard_images=10)
    (tmp_path / "f.parquet").touch()
    with pytest.raises(RunError, match="is there already"):
        embed(run, DATA, str(tmp_path / "f.parquet"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(RunError, match="is not empty"):
        embed(run, DATA, str(tmp_path / "mine"))
    assert files(tmp_path / "whole") == whole


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", pickle.dumps([1])])
def test_a_damaged_shard_is_told_and_made_anew_when_removed(
    damage: bytes, whole: dict[str, bytes], trained: Trained, tmp_path: Path
) -> None:
    out = tmp_path / "whole"
    (out / "index.csv").unlink()
    (out / "features-00003.npy").write_bytes(damage)
    with pytest.raises(RunError, match=r"features-00003\.npy` is damaged: remove it"):
        embed(str(trained("simclr")), DATA, str(out), shard_images=10)
    (out / "features-00003.npy").unlink()
    embed(str(trained("simclr")), DATA, str(out), shard_images=10)
    assert files(out) == whole


def test_bad_images_and_missing_labels_are_left_out(
    trained: Trained, folder: Callable[..., Path], tmp_path: Path
) -> None:
    data = folder(*(f"{i}.png" for i in range(5)))
    for bad in (0, 1, 3):
        (data / f"{bad}.png").write_bytes(b"no image")
    out = tmp_path / "f.parquet"
    told = embed(str(trained("simclr")), str(data), str(out), shard_images=2)  # nothing is left of the first shard
    assert (told["images"], told["left_out"]) == (2, 3)
    rows = pq.read_table(out).to_pylist()
    assert [(row["index"], row["path"], row["label"], row["class"]) for row in rows] == [
        (i, str(data / f"{i}.png"), None, None) for i in (2, 4)
    ]
    (data / "2.png").write_bytes(b"")
    (data / "4.png").write_bytes(b"")
    with pytest.raises(DataError, match="none of the 5 images"):
        embed(str(trained("simclr")), str(data), str(tmp_path / "none"))


def words(run: Path, out: Path) -> list[str]:
    asked = ["--data", DATA, "--shard-images", "10", "--device", "cpu", "-o", str(out)]
    return ["-m", "graphssl", "embed", str(run), *asked]


ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def test_two_processes_write_what_one_does(whole: dict[str, bytes], trained: Trained, tmp_path: Path) -> None:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [sys.executable, *launcher, *words(trained("simclr"), tmp_path / "two")]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("80 images") == 1
    assert files(tmp_path / "two") == whole


@pytest.mark.slow
def test_after_kill_9_the_same_command_ends_with_the_same_bytes(
    whole: dict[str, bytes], trained: Trained, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    command = [sys.executable, *words(trained("simclr"), out)]
    killed = subprocess.Popen(command, env=ENVIRONMENT)
    while killed.poll() is None and not (out / "features-00001.npy").exists():
        time.sleep(0.001)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL and not (out / "index.csv").exists()
    subprocess.run(command, env=ENVIRONMENT, check=True, timeout=300)
    assert files(out) == whole


def test_a_second_one_at_the_same_place_is_refused(trained: Trained, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    code = "import sys; from pathlib import Path; from graphssl.runtime.lock import Lock; Lock(Path(sys.argv[1])).acquire(); print('held', flush=True); input()"
    (out / "manifest.json").write_text("{}")
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(out / ".lock")], env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    with pytest.raises(RunError, match="is being written by process"):
        embed(str(trained("simclr")), DATA, str(out))
    holder.communicate("\n")
