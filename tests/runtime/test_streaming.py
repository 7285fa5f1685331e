"""Runs on shards: they resume to the bit, and any number of processes gives the run of one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from graphssl.data import shard_sampler
from graphssl.data.shards import fetch
from graphssl.data.shards.write import write_shards
from graphssl.data.sources import open_data
from graphssl.runtime.errors import RunError
from graphssl.runtime.folder import RunFolder
from tests.runs import at_step, final, logged

ROOT = Path(__file__).parents[2]
Train = Callable[..., int]


@pytest.fixture
def shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """64 images in eight shards, two of which are needed at a time."""
    monkeypatch.setenv("GRAPHSSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fetch, "DELAYS", ())
    monkeypatch.setattr(shard_sampler, "WINDOW_SHARDS", 2)
    monkeypatch.setattr(shard_sampler, "WINDOW_IMAGES", 16)
    write_shards(open_data("shapes:32,64"), tmp_path / "shards", images=8)
    return f"wds:{tmp_path / 'shards'}/shard-{{000000..000007}}.tar"


def test_a_run_on_shards_resumes_to_the_bit(train: Train, tmp_path: Path, shards: str) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train("simclr", whole, steps=7, data=shards)
    with at_step(6, lambda _: os.kill(os.getpid(), signal.SIGINT)):
        assert train("simclr", parts, steps=7, data=shards) == 130
    assert train("simclr", parts, steps=7, data=shards, resume=True) == 0
    a, b = final(whole), final(parts)
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a) and logged(whole) == logged(parts)


def test_a_shard_lost_on_the_way_ends_the_run_or_is_told_and_replaced(
    train: Train, tmp_path: Path, shards: str, capfd: pytest.CaptureFixture[str]
) -> None:
    data, lost = f"pipe:cat {shards.removeprefix('wds:')}", tmp_path / "shards" / "shard-000004.tar"
    open_data(f"wds:{data}")  # counted, and then not in the cache any more
    for path in (tmp_path / "cache" / "shards").glob("*.shard"):
        path.unlink()
    lost.unlink()
    with pytest.raises(
        RunError, match=r"the shard `pipe:cat .*shard-000004.tar` cannot be read: the command ended with 1"
    ):
        train("simclr", tmp_path / "fatal", steps=4, data=f"wds:{data}", cache="none")
    assert train("simclr", tmp_path / "skip", steps=4, data=f"wds+skip:{data}", cache="none", max_bad=0.02) == 0
    told = [line for line in capfd.readouterr().err.splitlines() if "is left out with its 8 images" in line]
    assert len(told) == 1 and "shard-000004.tar" in told[0]
    assert [*RunFolder(tmp_path / "skip").summary()["bad_images"]] == [f"pipe:cat {lost}"]


@pytest.mark.slow
def test_two_processes_train_on_shards_as_one(tmp_path: Path, shards: str) -> None:
    words = [
        "-m", "graphssl", "train", "simclr@quick", "--data", shards, "--steps", "12", "--device", "cpu", "--eval-every", "0",
        "--log-every", "1", "--set", "nodes.f.args.channels=[8,8,8,8]", "--set", "train.batch_size=16", "--set", "train.precision=fp32",
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "ACCELERATE_USE_CPU": "true"}
    for out, launcher in (
        ("one", []),
        ("two", ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]),
    ):
        command = [sys.executable, *launcher, *words, "--out", str(tmp_path / out)]
        subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True, timeout=300)
    assert RunFolder(tmp_path / "two").summary()["processes"] == 2
    losses = [[record["loss"] for record in logged(tmp_path / out) if "loss" in record] for out in ("one", "two")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4) and len(losses[0]) == 12
    one, two = final(tmp_path / "one"), final(tmp_path / "two")
    assert all(torch.allclose(one[name].float(), two[name].float(), atol=1e-3) for name in one)
