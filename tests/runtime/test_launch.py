"""The same command under Accelerate's launcher: one process, and two real ones on the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

WORDS = [
    "-m", "graphssl", "train", "simclr@quick", "--data", "shapes:32,256", "--steps", "14", "--device", "cpu",
    "--eval-every", "0", "--log-every", "1", "--set", "nodes.f.args.channels=[8,8,8,8]", "--set", "train.batch_size=64",
    "--set", "train.precision=fp32", "--set", "train.warmup=2steps",
]  # fmt: skip


def launched(launcher: list[str], out: Path) -> dict[str, object]:
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *launcher, *WORDS, "--out", str(out)],
        capture_output=True, text=True, env=environment, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    losses = [json.loads(line)["loss"] for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert sum(losses[-3:]) < sum(losses[:3]), losses
    assert list((out / "checkpoints").glob("step-*/model.safetensors"))
    summary: dict[str, object] = json.loads((out / "summary.json").read_text())
    return summary


def test_accelerate_launch_with_one_process(tmp_path: Path) -> None:
    summary = launched(["accelerate.commands.launch", "--cpu", "--num_processes", "1"], tmp_path / "run")
    assert summary["processes"] == 1


def test_two_processes_train_together(tmp_path: Path) -> None:
    summary = launched(["torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29611"], tmp_path / "run")
    assert summary["processes"] == 2


@pytest.mark.slow
def test_gathered_losses_of_two_processes_equal_those_of_one(tmp_path: Path) -> None:
    """Without BatchNorm, value and gradient on two ranks equal those of one rank with the whole batch."""
    script = tmp_path / "ranks.py"
    script.write_text(
        """
import sys, torch, torch.distributed as dist, graphssl
from torch.nn.parallel import DistributedDataParallel as DDP
TEXT = '''
graphssl: 1
name: tiny
nodes:
  v: {op: augment, recipe: quick, size: 32}
  w: {op: augment, recipe: quick, size: 32}
  f: {op: encoder, in: [v, w], arch: vit_tiny_patch16_224, args: {patch_size: 16, embed_dim: 16, depth: 1, num_heads: 2}}
  g: {op: projector, in: f, dims: [8, 8], norm: none}
  z: {op: gather, in: g}
  zn: {op: l2_normalize, in: g}
  k: {op: gather, in: zn, grad: false}
  queue: {op: queue, in: zn, size: 10}
  a: {op: nt_xent, in: z, temperature: 0.2}
  b: {op: info_nce, in: {query: g, positive: k}, temperature: 0.2}
represent: f
'''
dist.init_process_group('gloo')
rank = dist.get_rank()
torch.manual_seed(0)
module = graphssl.compile(TEXT).double()
x = torch.randn(2, 8, 3, 32, 32, dtype=torch.float64)
model = DDP(module, broadcast_buffers=False)
mine = slice(rank * 4, rank * 4 + 4)
out = model({'v': x[0, mine], 'w': x[1, mine]}, 0)
out.loss.backward()
loss = out.loss.detach().clone()
dist.all_reduce(loss)
module.commit('after_step', 0)
dist.barrier()
saved = {'loss': loss / 2, 'queue': module.queue(), 'grads': {n: p.grad for n, p in module.named_parameters()}}
dist.destroy_process_group()
if rank == 0:
    torch.manual_seed(0)
    whole = graphssl.compile(TEXT).double()
    one = whole({'v': x[0], 'w': x[1]}, 0)
    one.loss.backward()
    whole.commit('after_step', 0)
    assert torch.allclose(saved['loss'], one.loss, rtol=1e-9), (saved['loss'], one.loss)
    for name, p in whole.named_parameters():
        assert torch.allclose(saved['grads'][name], p.grad, rtol=1e-7, atol=1e-12), name
    a = sorted(map(tuple, saved['queue'].tolist()))
    b = sorted(map(tuple, whole.queue().tolist()))
    assert torch.allclose(torch.tensor(a), torch.tensor(b))
    print('EQUAL')
"""
    )
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29612", str(script)],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=300, check=False,
    )  # fmt: skip
    assert "EQUAL" in done.stdout, done.stderr[-3000:]
