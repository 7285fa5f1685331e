"""What is seen of a run whose weights are split over processes: the same measures, kNN, losses, and files of the same layout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from graphssl.evaluate.frozen import knn_of_run
from tests.conftest import TOY_TRANSFORMER

ROOT = Path(__file__).parents[2]
SPLIT = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}
WORDS = [
    "-m", "graphssl", "train", "dino@quick", "--data", "shapes:32,96", "--steps", "6", "--device", "cpu", "--eval-every", "1",
    "--eval-samples", "51", "--log-every", "1", "--measure-every", "2", "--set", f"nodes.f.args={json.dumps(TOY_TRANSFORMER)}",
    "--set", "params.prototypes=24", "--set", "nodes.h.hidden=[16]", "--set", "nodes.h.bottleneck=8",
    "--set", "train.batch_size=32", "--set", "train.precision=bf16",
]  # fmt: skip


def trained(out: Path, *more: str, begin: list[str] = WORDS[:2], **environment: str) -> list[dict[str, Any]]:
    """The metrics of a run on two processes. begin: what they run."""
    words = [*begin, *WORDS[2:], *more, "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", *words],
        capture_output=True, text=True, cwd=ROOT, timeout=500, check=False,
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads((out / "summary.json").read_text())["processes"] == 2
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def numbers(record: dict[str, Any]) -> dict[str, float]:
    """Everything that a line of metrics measures, by name, without what a clock says."""
    nodes = {f"{n}.{m}": v for n, found in record.get("nodes", {}).items() for m, v in found.items() if m != "time"}
    return {**{k: v for k, v in record.items() if k not in ("nodes", "images_per_s")}, **nodes}


@pytest.mark.slow
@pytest.mark.parametrize(
    "more", [[], ["--set", "train.micro_batch=8", "--set", "nodes.h.norm=none"]], ids=["at once", "exact accumulation"]
)
def test_measures_and_knn_of_split_weights_are_those_of_whole_ones(more: list[str], tmp_path: Path) -> None:
    """In bf16, whose rounding would show any weight that was rounded on its way."""
    whole, split = tmp_path / "whole", tmp_path / "split"
    a, b = trained(whole, *more), trained(split, *more, **SPLIT)
    assert (
        len(a) == len(b) and sum("nodes" in record for record in a) == 4 and sum("knn" in record for record in a) == 3
    )
    for one, two in zip(map(numbers, a), map(numbers, b), strict=True):
        assert two == pytest.approx(one, rel=1e-2, abs=1e-4)
    assert "f.grad_norm" in numbers(a[-2]) and "ft.ema_distance" in numbers(a[-2])
    for name in ("model", "optimizer"):
        files = [load_file(run / "checkpoints" / "step-00000006" / f"{name}.safetensors") for run in (whole, split)]
        shapes = [{key: (tensor.shape, tensor.dtype) for key, tensor in file.items()} for file in files]
        assert shapes[0] == shapes[1]
    scores = [knn_of_run(str(run), "shapes:32,96", device="cpu")["top1"] for run in (whole, split)]
    assert scores[0] == pytest.approx(scores[1], abs=0.05)


POISON = """
import sys
from graphssl.cli import main
from graphssl.runtime.loop import Loop
original = Loop.micro_batches
steps = iter(range(6))

def poisoned(self, batch):  # the third step, and where it is run again to find out why
    bad = self.poisoned = next(steps) == 2 if not self.skipping else self.poisoned
    broken = lambda part: lambda: {**part(), "small": [x * float("nan") for x in part()["small"]]}
    return [broken(part) if bad else part for part in original(self, batch)]

def skip(self, *arguments, original=Loop.skip):
    self.skipping = True
    original(self, *arguments)
    self.skipping = False

Loop.micro_batches, Loop.skip, Loop.skipping = poisoned, skip, False
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_step_that_is_not_finite_leaves_nothing_behind_in_split_weights(tmp_path: Path) -> None:
    (script := tmp_path / "poison.py").write_text(POISON)
    more = ["--set", "train.precision=fp32", "--measure-every", "0", "--eval-every", "0"]
    more += [
        "--set",
        "nodes.h.norm=none",
    ]  # the gradient of a bias before BatchNorm is rounding alone, which Adam scales up
    models = []
    for name, environment in (("whole", {}), ("split", SPLIT)):
        trained(tmp_path / name, *more, begin=[str(script)], **environment)
        summary = json.loads((tmp_path / name / "summary.json").read_text())
        assert summary["skipped_steps"] == 1
        models.append(load_file(tmp_path / name / "checkpoints" / "step-00000006" / "model.safetensors"))
    for key, tensor in models[0].items():
        assert models[1][key].numpy() == pytest.approx(tensor.numpy(), rel=1e-3, abs=1e-4), key


@pytest.mark.slow
def test_blocks_that_are_computed_again_give_the_same_bits_with_split_weights(tmp_path: Path) -> None:
    models = []
    for name, checkpoint in (("kept", "false"), ("again", "true")):
        more = ["--set", f"nodes.f.checkpoint={checkpoint}", "--set", "nodes.f.drop_path=0.3", "--eval-every", "0"]
        trained(tmp_path / name, *more, **SPLIT)
        models.append(load_file(tmp_path / name / "checkpoints" / "step-00000006" / "model.safetensors"))
    assert [key for key, value in models[0].items() if not value.equal(models[1][key])] == []
