"""The same command under launchers: one process, several, several machines; and what is refused before anything begins."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from graphssl.runtime.errors import RunError
from graphssl.runtime.launcher import asked_by
from tests.guarantees.conftest import free_port

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "docs" / "launch"
WORDS = [
    "-m", "graphssl", "train", "simclr@quick", "--data", "shapes:32,256", "--steps", "14", "--device", "cpu",
    "--eval-every", "0", "--log-every", "1", "--set", "nodes.f.args.channels=[8,8,8,8]", "--set", "train.batch_size=64",
    "--set", "train.precision=fp32", "--set", "train.warmup=2steps",
]  # fmt: skip
ACCELERATE = ["accelerate.commands.launch"]


def started(launcher: list[str], out: Path, *more: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", *launcher, *WORDS, "--out", str(out), *more],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=ROOT,
    )  # fmt: skip


def trained(out: Path, *processes: subprocess.Popen[str]) -> dict[str, Any]:
    """The summary of the run when they have ended well; it learns, and is saved."""
    for process in processes:
        said, _ = process.communicate(timeout=500)
        assert process.returncode == 0, said[-3000:]
    losses = [json.loads(line)["loss"] for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert sum(losses[-3:]) < sum(losses[:3]), losses
    assert list((out / "checkpoints").glob("step-*/model.safetensors"))
    summary: dict[str, Any] = json.loads((out / "summary.json").read_text())
    return summary


@pytest.mark.slow
def test_accelerate_launch_with_one_process(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert trained(out, started([*ACCELERATE, "--cpu", "--num_processes", "1"], out))["processes"] == 1


def test_two_processes_train_together(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert (
        trained(out, started(["torch.distributed.run", "--standalone", "--nproc_per_node", "2"], out))["processes"] == 2
    )


@pytest.mark.slow
def test_the_config_for_cpus_starts_what_it_says(tmp_path: Path) -> None:
    launcher = [*ACCELERATE, "--config_file", str(CONFIGS / "two_cpus.yaml"), "--main_process_port", "0"]
    assert trained(tmp_path / "run", started(launcher, tmp_path / "run"))["processes"] == 2


@pytest.mark.slow
def test_two_machines_meet_and_end_in_the_bytes_of_two_processes_on_one(tmp_path: Path) -> None:
    """Two launchers with a process each, through the rendezvous of docs/launch/two_machines.yaml; saving compares their weights."""
    config = yaml.safe_load((CONFIGS / "two_machines.yaml").read_text())
    config |= {"num_processes": 2, "main_process_ip": "127.0.0.1", "main_process_port": free_port()}
    (file := tmp_path / "launch.yaml").write_text(yaml.safe_dump(config))
    apart, together = tmp_path / "apart", tmp_path / "together"
    machines = [started([*ACCELERATE, "--config_file", str(file), "--machine_rank", str(i)], apart) for i in (0, 1)]
    assert trained(apart, *machines)["processes"] == 2
    trained(together, started(["torch.distributed.run", "--standalone", "--nproc_per_node", "2"], together))
    for name in ("model", "optimizer"):
        file = Path("checkpoints") / "step-00000014" / f"{name}.safetensors"
        assert (apart / file).read_bytes() == (together / file).read_bytes()


@pytest.mark.slow
def test_processes_that_were_not_started_are_missed(tmp_path: Path) -> None:
    process = started([*ACCELERATE, "--cpu", "--num_processes", "2"], tmp_path / "run")
    said, _ = process.communicate(timeout=200)
    assert process.returncode != 0
    assert "graphssl: error: 2 processes were asked for, but 1 takes part" in said
    assert "torchrun --nproc_per_node 2" in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("line", "processes"),
    [
        ("bash", 1),
        ("python -m pytest launch", 1),
        ("/v/bin/python /v/bin/accelerate launch --cpu --num_processes 4 -m graphssl train byol --out x", 4),
        ("python -m accelerate.commands.launch --num-processes=3 train.py --num_processes 9", 3),
        ("/v/bin/accelerate-launch --config_file CONFIG -m graphssl train byol", 16),
        ("/v/bin/accelerate launch --config_file CONFIG --num_processes 2 -m graphssl train byol", 2),
        ("accelerate launch --cpu -m graphssl train byol", 1),
        ("accelerate config", 1),
    ],
)  # fmt: skip
def test_a_launcher_says_on_its_command_line_how_many_processes_it_was_asked_for(line: str, processes: int) -> None:
    assert asked_by(line.replace("CONFIG", str(CONFIGS / "two_machines.yaml")).split()) == processes


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"ACCELERATE_USE_DEEPSPEED": "true"}, "DeepSpeed is not supported, because its engine owns"),
        ({"ACCELERATE_USE_MEGATRON_LM": "true"}, "Megatron-LM is not supported, because its engine owns"),
        ({"ACCELERATE_USE_FSDP": "true"}, "FSDP version 1 is not supported"),
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_ACTIVATION_CHECKPOINTING": "true"}, "drop-path anew"),
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_AUTO_WRAP_POLICY": "SIZE_BASED_WRAP"}, "as the graph says"),
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "ACCELERATE_DYNAMO_BACKEND": "INDUCTOR"}, "sharded and compiled"),
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_RESHARD_AFTER_FORWARD": "FULL_SHARD"}, "`fsdp_config`"),
    ],
)  # fmt: skip
def test_what_a_launcher_asks_for_in_vain_is_refused_before_anything_begins(
    environment: dict[str, str], words: str, train: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RunError, match=words):
        train("dino", tmp_path / "run", steps=1)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_script_for_slurm_saves_when_warned_and_goes_on_when_it_is_started_again(tmp_path: Path) -> None:
    """SLURM itself is played by two small scripts: `srun` starts two tasks and hands the warning on, `scontrol` keeps what it was asked."""
    for name, text in {"srun": SRUN, "scontrol": SCONTROL}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    run, asked = tmp_path / "run", tmp_path / "asked"
    environment = {
        **os.environ, "PATH": f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}", "ASKED": str(asked),
        "SLURM_JOB_NODELIST": "node", "SLURM_JOB_ID": "17", "MASTER_PORT": str(free_port()), "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT), "METHOD": "simclr@quick", "DATA": "shapes:32,256", "RUN": str(run),
    }  # fmt: skip

    def begun() -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", str(CONFIGS / "slurm.sh")], env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )  # fmt: skip

    job = begun()
    deadline = time.time() + 300
    while not (run / "metrics.jsonl").exists() or not (run / "metrics.jsonl").read_text().count("loss"):
        assert time.time() < deadline and job.poll() is None, job.communicate()[0][-3000:]
        time.sleep(0.5)
    os.kill(int((tmp_path / "srun.pid").read_text()), signal.SIGUSR1)
    said, _ = job.communicate(timeout=200)
    assert job.returncode == 0, said[-3000:]
    assert asked.read_text().split() == ["requeue", "17"]
    saved = {path.name for path in run.glob("checkpoints/step-*")}
    job = begun()
    deadline = time.time() + 300
    while {path.name for path in run.glob("checkpoints/step-*")} == saved:
        assert time.time() < deadline and job.poll() is None, job.communicate()[0][-3000:]
        time.sleep(0.5)
    os.kill(int((tmp_path / "srun.pid").read_text()), signal.SIGUSR1)
    said, _ = job.communicate(timeout=200)
    assert job.returncode == 0 and "resumed after step" in said, said[-3000:]


SRUN = """#!/bin/bash
echo $$ > "$(dirname "$0")/srun.pid"
for i in 0 1; do SLURM_PROCID=$i SLURM_LOCALID=$i SLURM_NTASKS=2 "$@" & tasks[i]=$!; done
trap 'kill -USR1 "${tasks[@]}"' USR1
code=0
for task in "${tasks[@]}"; do
  wait "$task"; ended=$?
  while kill -0 "$task" 2> /dev/null; do wait "$task"; ended=$?; done
  [ "$ended" -gt "$code" ] && code=$ended
done
exit $code
"""
SCONTROL = """#!/bin/bash
if [ "$1" = show ]; then echo 127.0.0.1; else echo "$@" > "$ASKED"; fi
"""


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
