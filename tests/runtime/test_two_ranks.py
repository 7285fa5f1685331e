"""Whole methods on two real processes, each with half of the batch, equal one with all of it: losses, gradients, state."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys, torch, torch.distributed as dist, graphssl
from torch.nn.parallel import DistributedDataParallel as DDP
from tests.conftest import toy_overrides, toy_views

name, variant = sys.argv[1], sys.argv[2]
more = {"nodes.h.norm": "none"} | ({"nodes.koleo": None} if name == "dinov2" else {})  # KoLeo is each rank's own
method = graphssl.load(f"{name}@quick{variant}", {**toy_overrides(name), **more})
views = toy_views(method, batch=8, dtype=torch.float64)

def trained(part, wrap):
    torch.manual_seed(0)
    module = graphssl.compile(method, steps=10, steps_per_epoch=5).double()
    model, losses = wrap(module), []
    optimizer = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], lr=0.1)
    for step in range(3):
        optimizer.zero_grad()
        module.commit("before_forward", step)
        out = model({k: [x[part] for x in v] if isinstance(v, list) else v[part] for k, v in views.items()}, step)
        out.loss.backward()
        optimizer.step()
        module.commit("after_step", step)
        losses.append(out.loss.detach())
    return torch.stack(losses), module.state_dict()

losses, state = trained(slice(None), lambda module: module)
dist.init_process_group("gloo")
rank = dist.get_rank()
mine, theirs = trained(slice(rank * 4, rank * 4 + 4), lambda m: DDP(m, broadcast_buffers=False, find_unused_parameters=True))
dist.all_reduce(mine)
assert dist.get_world_size() == 2
assert torch.allclose(mine / 2, losses, rtol=1e-9), (mine / 2, losses)
worst = max(((state[k] - theirs[k]).abs().max() / state[k].abs().max().clamp(min=1e-3), k) for k in state if state[k].is_floating_point())
assert worst[0] < 1e-7, worst
dist.barrier()
dist.destroy_process_group()
print("EQUAL")
"""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "variant"), [("dino", ""), ("dino", "@sinkhorn"), ("ibot", ""), ("dinov2", "")])
def test_two_ranks_equal_one(name: str, variant: str, tmp_path: Path) -> None:
    script = tmp_path / "ranks.py"
    script.write_text(SCRIPT)
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29617", str(script), name, variant],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}, timeout=300, check=False,
    )  # fmt: skip
    assert done.stdout.count("EQUAL") == 2, done.stderr[-3000:]
