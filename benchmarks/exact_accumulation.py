"""Exact accumulation against the whole batch at once: peak memory and time per image of one SimCLR step.

    python benchmarks/exact_accumulation.py [--batches 128 256 512 1024 2048 4096] [--micro 64] [--repeats 3]

Every number is of a process of its own. Memory is what the process takes at most, less what it had taken with the model and the
batch in memory; the batch itself (two views, float32) is given beside it. While memory is measured, glibc gives freed tensors back to
the system (MALLOC_MMAP_THRESHOLD_), because what its heap keeps between them says nothing about what a step needs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

from rich.console import Console
from rich.progress import track
from rich.table import Table

METHOD = "simclr@quick"
MIB = 1 << 20


def measure(batch: int, micro: int, repeats: int) -> dict[str, float]:
    """One step of `batch` samples, at once (`micro` 0) or in micro-batches: MiB and milliseconds per sample."""
    import torch
    from accelerate import Accelerator

    import graphssl
    from graphssl.runtime.exact import ExactAccumulation

    torch.manual_seed(0)
    groups = {"nodes.f.bn_group": 64, "nodes.g.bn_group": 64}
    overrides = {**groups, "train.batch_size": batch, "train.precision": "fp32"} | (
        {"train.micro_batch": micro} if micro else {}
    )
    method = graphssl.load(METHOD, overrides)
    graph = method.checked_graph()
    module = graphssl.compile(method, steps=100, steps_per_epoch=10)
    size = max(
        v.axes[-1]
        for node in graph.sources()
        for edge in node.outputs.values()
        for v in edge.values
        if v.kind == "image"
    )
    views = {}
    for node in graph.sources():
        edge = next(iter(node.outputs.values()))
        made = [
            torch.randint(0, 10, (batch,)) if v.kind == "label" else torch.randn(batch, 3, size, size)
            for v in edge.values
        ]
        views[node.name] = made if edge.listed else made[0]
    exact = ExactAccumulation(graph, module, Accelerator(cpu=True)) if micro else None

    def part(i: int) -> dict[str, object]:
        rows = slice(i * micro, (i + 1) * micro)
        return {k: [x[rows] for x in v] if isinstance(v, list) else v[rows] for k, v in views.items()}

    def step() -> None:
        module.zero_grad()
        if exact:
            exact([lambda i=i: part(i) for i in range(batch // micro)], 0)  # type: ignore[misc]
        else:
            module(views, 0).loss.backward()
        module.discard()  # type: ignore[operator]

    for p in module.parameters():
        p.grad = torch.zeros_like(p)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        step()
        times.append(time.perf_counter() - begun)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "memory": (peak - before) * 1024 / MIB,
        "batch": batch * 2 * 3 * size * size * 4 / MIB,
        "time": statistics.median(times) / batch * 1000,
    }


def one(batch: int, micro: int, repeats: int, **environment: str) -> dict[str, float]:
    """`measure` in a process of its own."""
    words = [sys.executable, __file__, "--repeats", str(repeats), "--one", str(batch), str(micro)]
    ran = subprocess.run(words, check=True, capture_output=True, text=True, env={**os.environ, **environment})
    found: dict[str, float] = json.loads(ran.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=[128, 256, 512, 1024, 2048, 4096])
    parser.add_argument("--micro", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", type=int, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(*arguments.one, arguments.repeats)))
        return
    table = Table("batch", "batch, MiB", "at once, MiB", f"micro-batch {arguments.micro}, MiB", "at once, ms/sample",
                  f"micro-batch {arguments.micro}, ms/sample", "ratio", title=f"one step of {METHOD}")  # fmt: skip
    for batch in track(arguments.batches, transient=True):
        rows = []
        for micro in (0, arguments.micro):
            found = one(batch, micro, arguments.repeats)
            rows.append(found | {"memory": one(batch, micro, 2, MALLOC_MMAP_THRESHOLD_=str(MIB))["memory"]})
        whole, parts = rows
        table.add_row(
            str(batch), f"{whole['batch']:.0f}", f"{whole['memory']:.0f}", f"{parts['memory']:.0f}", f"{whole['time']:.2f}",
            f"{parts['time']:.2f}", f"{parts['time'] / whole['time']:.2f}",
        )  # fmt: skip
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
