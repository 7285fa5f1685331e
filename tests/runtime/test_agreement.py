"""State that all processes share is compared by its bytes; what differs is named, with its node and the odd processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from graphssl.runtime import agreement
from graphssl.runtime.agreement import fingerprint
from graphssl.runtime.errors import RunError

TRAINING = """
import sys, graphssl
from graphssl.runtime.errors import RunError
from graphssl.runtime.loop import Loop
from graphssl.runtime.options import Options
from graphssl.runtime.train import train
from tests.conftest import toy_overrides

original = Loop.step

def disturbed(loop, step, *args, **kwargs):
    out = original(loop, step, *args, **kwargs)
    if step + 1 == 3 and loop.accelerator.process_index == 1:
        loop.module.queue.rows[0, 0] += 1e-7
    return out

Loop.step = disturbed
method = graphssl.load("moco_v2@quick", toy_overrides("moco_v2"))
options = dict(data="shapes:32,64", steps=5, eval_every=0, device="cpu", checkpoint_every=0.5, out=sys.argv[1])
try:
    train(method, Options(verify_every=int(sys.argv[2]), **options))
except RunError as error:
    print(f"SAID {error}", flush=True)
"""

STATE = """
import torch, torch.distributed as dist
from graphssl.runtime.agreement import require_agreement
from graphssl.runtime.errors import RunError

dist.init_process_group("gloo")
torch.manual_seed(0)
odd = float(dist.get_rank() == 1)
module = torch.nn.ModuleDict({"g": torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))})
optimizer = torch.optim.Adam(module.parameters())
module["g"](torch.randn(4, 2)).square().sum().backward()
optimizer.step()

def said(sync_bn):
    try:
        require_agreement(module, [optimizer], 9, sync_bn=sync_bn)
    except RunError as error:
        return str(error)
    return "nothing"

assert said(True) == said(False) == "nothing"
module["g"][1].running_var += odd
assert said(False) == "nothing", "each process has its own"
assert "`g.1.running_var` (node `g`)" in said(True), said(True)
optimizer.state[module["g"][0].bias]["exp_avg"] += odd
assert "`g.0.bias, exp_avg of the optimizer` (node `g`)" in said(False), said(False)
print("SAID", said(False))
dist.barrier()
dist.destroy_process_group()
"""


def on_two_processes(tmp_path: Path, text: str, *words: str) -> list[str]:
    """What they said: both, unless the end of the first has ended the other."""
    script = tmp_path / "drift.py"
    script.write_text(text)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = {
        **os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2]),
    }  # fmt: skip
    done = subprocess.run(
        [*launcher, str(script), *words], capture_output=True, text=True, env=environment, timeout=400, check=False
    )
    said = re.findall(r"SAID (.*)", done.stdout)
    assert said, done.stderr[-3000:]
    return said


@pytest.mark.slow
@pytest.mark.parametrize(("every", "found"), [(1, 3), (0, 4)], ids=["every step", "at the checkpoint"])
def test_a_run_whose_processes_drift_apart_stops(every: int, found: int, tmp_path: Path) -> None:
    for said in on_two_processes(tmp_path, TRAINING, str(tmp_path / "run"), str(every)):
        assert f"after step {found}, `queue.rows` (node `queue`)" in said and "rank 1 differs" in said
    kept = [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()]
    assert kept == ["step-00000002"], "nothing was written after it"


@pytest.mark.slow
def test_statistics_and_moments_are_compared_where_they_are_shared(tmp_path: Path) -> None:
    assert all("rank 1 differs" in said for said in on_two_processes(tmp_path, STATE))


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


@pytest.mark.parametrize(
    "other, told",
    [
        ((19, (4,) * 4 + (3,), ("a",)), "20 and 19 images"),
        ((20, (5,) * 4, ("a",)), "20 images each, but not of the same shards"),
    ],
)
def test_processes_that_find_other_images_do_not_begin(
    other: object, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = type(
        "Source", (), {"name": "wds:x", "shard_sizes": (4,) * 5, "classes": ("a",), "__len__": lambda _: 20}
    )()
    monkeypatch.setattr(agreement, "world", lambda: (0, 3))
    monkeypatch.setattr(agreement, "gather_object", lambda mine: [*mine, *mine, other])
    with pytest.raises(RunError, match=f"processes 0 and 2 do not find the same in `wds:x`: {told}"):
        agreement.require_same_images(source)
    monkeypatch.setattr(agreement, "gather_object", lambda mine: mine * 3)
    agreement.require_same_images(source)
