"""State that all processes share is compared by its bytes; what differs is named, with its node and the odd processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from graphssl.runtime.agreement import fingerprint

SCRIPT = """
import sys, torch, torch.distributed as dist, graphssl
from graphssl.runtime.agreement import require_agreement
from graphssl.runtime.errors import RunError
from graphssl.runtime.loop import Loop
from graphssl.runtime.options import Options
from graphssl.runtime.train import train
from tests.conftest import toy_overrides

method = graphssl.load("moco_v2@quick", toy_overrides("moco_v2"))
original, step_of = Loop.step, {"disturbed": 3}

def disturbed(loop, step, *args, **kwargs):
    out = original(loop, step, *args, **kwargs)
    if step + 1 == step_of["disturbed"] and loop.accelerator.process_index == 1:
        loop.module.queue.rows[0, 0] += 1e-7
    return out

def refused(call):
    try:
        call()
    except RunError as error:
        return str(error)
    return "nothing"

Loop.step = disturbed
options = dict(data="shapes:32,64", steps=5, eval_every=0, device="cpu", checkpoint_every=0.5)
said = refused(lambda: train(method, Options(out=f"{sys.argv[1]}/every", verify_every=1, **options)))
assert "after step 3, `queue.rows` (node `queue`)" in said and "rank 1 differs" in said, said
said = refused(lambda: train(method, Options(out=f"{sys.argv[1]}/saved", **options)))
assert "after step 4, `queue.rows`" in said, said  # the checkpoint after it

torch.manual_seed(0)
odd = float(dist.get_rank() == 1)
module = torch.nn.ModuleDict({"g": torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))})
optimizer = torch.optim.Adam(module.parameters())
module["g"](torch.randn(4, 2)).square().sum().backward()
optimizer.step()
ask = lambda sync_bn: refused(lambda: require_agreement(module, [optimizer], 9, sync_bn=sync_bn))
assert ask(True) == ask(False) == "nothing"
module["g"][1].running_var += odd
assert ask(False) == "nothing", "each process has its own"
assert "`g.1.running_var` (node `g`)" in ask(True), ask(True)
optimizer.state[module["g"][0].bias]["exp_avg"] += odd
assert "`g.0.bias, exp_avg of the optimizer` (node `g`)" in ask(False), ask(False)

step_of["disturbed"] = 0  # the last training: it ends the group of processes
assert refused(lambda: train(method, Options(out=f"{sys.argv[1]}/sound", verify_every=1, **options))) == "nothing"
print("NAMED")
"""


@pytest.mark.slow
def test_two_processes_that_drift_apart_are_stopped_at_once_or_at_the_checkpoint(tmp_path: Path) -> None:
    script = tmp_path / "drift.py"
    script.write_text(SCRIPT)
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script), str(tmp_path)]
    environment = {
        **os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2]),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, env=environment, timeout=400, check=False
    )
    assert done.stdout.count("NAMED") == 2, done.stderr[-3000:]
    steps = {run: sorted(p.name for p in (tmp_path / run / "checkpoints").glob("*")) for run in ("every", "saved")}
    assert steps == {"every": ["step-00000002"], "saved": ["step-00000002"]}, "nothing was written after it"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.bool])
def test_a_fingerprint_changes_with_any_number_and_with_their_order(dtype: torch.dtype) -> None:
    x = (torch.arange(37) % 2).to(dtype)
    prints = {int(fingerprint(x))}
    for place in range(len(x)):
        other = x.clone()
        other[place] = 1 - other[place].to(torch.int64)
        prints.add(int(fingerprint(other)))
    assert len(prints) == 38
    assert int(fingerprint(x.roll(1))) not in prints
    assert int(fingerprint(x.clone())) == int(fingerprint(x))


def test_a_fingerprint_is_of_the_bytes() -> None:
    assert int(fingerprint(torch.tensor(0.0))) != int(fingerprint(torch.tensor(-0.0)))
    nan = torch.tensor([float("nan")])
    assert int(fingerprint(nan)) == int(fingerprint(nan.clone())), "equal, though nan is not"
    strided = torch.arange(12.0).view(3, 4).T
    assert int(fingerprint(strided)) == int(fingerprint(strided.contiguous()))
