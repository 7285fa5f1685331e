"""What each pass of the compiler earns: a forward and backward with all passes, and with all but one.

    python -m benchmarks.passes [--batch 64] [--rounds 9]

The two modules take turns in one process. Time is CPU seconds, the median over rounds of the ratio; memory is the most that
torch's allocator holds in a step beyond what it held before, as torch's profiler tells. Only rows in which the pass changes how
that graph is computed. Gathering is measured in two processes on this machine (gloo).
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.distributed as dist
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

import graphssl
from benchmarks.contenders import batches
from graphssl.passes import PASSES, Pass, merged_gathers, optimize
from graphssl.pipeline import Method

VIT = {"op": "encoder", "$replace": True, "arch": "vit_tiny_patch16_224", "args": {"patch_size": 4, "depth": 6}}
SUBJECTS: dict[str, tuple[str, dict[str, Any]]] = {
    "BYOL": ("byol@quick", {}),
    "BYOL of a transformer": ("byol@quick", {"nodes.f": {**VIT, "in": ["v1", "v2"]}}),
    "SimSiam, second view by a `share`": (
        "simsiam@quick",
        {
            "nodes.f.in": "v1",
            "nodes.f2": {"op": "share", "of": "f", "in": "v2"},
            "nodes.g2": {"op": "share", "of": "g", "in": "f2"},
            "nodes.t": {"op": "stop_grad", "in": "g2"},
            "nodes.loss": {"$replace": True, "op": "cosine_loss", "in": {"prediction": "q", "target": "t"}},
        },
    ),
    "SimCLR, evaluated by a slow copy": (
        "simclr@quick",
        {"nodes.slow": {"op": "ema", "of": "f", "in": "v1", "momentum": 0.99, "mode": "eval"}, "represent": "slow"},
    ),
    "DINO": ("dino@quick", {}),
    "DINO, all crops fed one by one": (
        "dino@quick",
        {"nodes.f.batch": "per_view", "nodes.f.drop_path": 0, "nodes.h.batch": "per_view", "nodes.h.norm": "none", "params.prototypes": 8192},
    ),
    "iBOT": ("ibot@quick", {}),
    "iBOT, heads without BatchNorm": ("ibot@quick", {"nodes.h.norm": "none", "params.prototypes": 4096}),
    "DINOv2, heads without BatchNorm": ("dinov2@quick", {"nodes.h.norm": "none", "params.prototypes": 4096}),
}  # fmt: skip


def compiled(method: Method, passes: Sequence[Pass]) -> nn.Module:
    torch.manual_seed(0)
    return graphssl.compile(method, passes=passes).train()


def stepping(module: nn.Module, views: dict[str, Any]) -> Callable[[], Tensor]:
    """A forward and backward."""

    def step() -> Tensor:
        for parameter in module.parameters():
            parameter.grad = None
        loss: Tensor = module(views).loss
        loss.backward()
        module.discard()  # type: ignore[operator]
        return loss.detach()

    return step


def cpu_seconds(step: Callable[[], Tensor]) -> float:
    begun = time.process_time()
    step()
    return time.process_time() - begun


def peak(step: Callable[[], Tensor]) -> float:
    """MiB that a step takes at most."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        step()
    assert found.profiler is not None
    events = [event for event in found.profiler.kineto_results.events() if event.name() == "[memory]"]
    changes = [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]
    return max(itertools.accumulate(changes)) / 2**20


def measured(method: Method, left_out: Sequence[Pass], rounds: int) -> tuple[float, float, float]:
    """Time of a step with all passes over that without some, and MiB of both."""
    views = batches(method, 1)[0].views
    with_all = stepping(compiled(method, PASSES), views)
    without = stepping(compiled(method, [each for each in PASSES if each not in left_out]), views)
    assert torch.allclose(with_all(), without(), rtol=1e-4), "a pass that changes the loss"
    ratios = [cpu_seconds(with_all) / cpu_seconds(without) for _ in range(rounds)]
    return statistics.median(ratios), peak(with_all), peak(without)


def gathering(rank: int, folder: str, rounds: int, batch: int) -> None:
    """SimCLR in one of two processes; rank 0 writes the ratio of seconds a step."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    method = graphssl.load("simclr@quick", {"train.batch_size": batch // 2})
    views = batches(method, 1)[0].views
    pair = [
        stepping(compiled(method, passes), views) for passes in (PASSES, [p for p in PASSES if p is not merged_gathers])
    ]
    ratios = []
    for _ in range(rounds + 1):
        seconds = []
        for step in pair:
            dist.barrier()
            begun = time.perf_counter()
            step()
            dist.barrier()
            seconds.append(time.perf_counter() - begun)
        ratios.append(seconds[0] / seconds[1])
    if rank == 0:
        with open(f"{folder}/ratio", "w") as file:
            file.write(str(statistics.median(ratios[1:])))
    dist.destroy_process_group()


def in_two_processes(rounds: int, batch: int) -> float:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(gathering, (folder, rounds, batch), nprocs=2)  # type: ignore[attr-defined,no-untyped-call]
        with open(f"{folder}/ratio") as file:
            return float(file.read())


def name_of(each: Pass) -> str:
    return each.__name__.rpartition(".")[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    os.environ.setdefault("KINETO_LOG_LEVEL", "5")
    table = Table("pass", "graph", "time, with / without", "MiB with", "MiB without", "with / without")
    jobs: list[tuple[str, str, Method, Sequence[Pass]]] = []
    for title, (reference, overrides) in SUBJECTS.items():
        method = graphssl.load(reference, {"train.batch_size": arguments.batch, "train.precision": "fp32", **overrides})
        graph = method.checked_graph()
        every = optimize(graph).plan
        for each in PASSES:
            rest = [other for other in PASSES if other is not each]
            if each is not merged_gathers and optimize(graph, rest).plan != every:
                jobs.append((name_of(each), title, method, (each,)))
        jobs.append(("all", title, method, PASSES))
    for name, title, method, left_out in track(sorted(jobs, key=lambda job: job[0] == "all"), transient=True):
        ratio, ours, theirs = measured(method, left_out, arguments.rounds)
        table.add_row(name, title, f"{ratio:.3f}", f"{ours:.1f}", f"{theirs:.1f}", f"{ours / theirs:.3f}")
    ratio = in_two_processes(arguments.rounds, arguments.batch)
    table.add_row("merged_gathers", "SimCLR in two processes", f"{ratio:.3f}", "", "", "")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
