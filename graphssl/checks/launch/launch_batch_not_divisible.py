"""A batch that the processes cannot share evenly."""

from __future__ import annotations

from collections.abc import Iterator

from graphssl.checks.launch.config import Launch
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation

EXPLAIN = Explanation(
    "launch-batch-not-divisible",
    "`train.batch_size` is no multiple of the processes of the launch config times `train.accumulate` or `train.micro_batch`",
    "`batch_size` counts the images of a step over all processes and micro-batches; each gets the same number of them.",
    "distributed_type: MULTI_GPU\nnum_processes: 7\n",
    "distributed_type: MULTI_GPU\nnum_processes: 8\n",
    launch=True,
)


def check(graph: Graph, launch: Launch) -> Iterator[Finding]:
    train = graph.train
    if train is None or train.batch_size % (unit := launch.processes * (train.micro_batch or train.accumulate)) == 0:
        return
    parts = f"{launch.processes} processes"
    parts += f" × {train.accumulate} micro-batches" if train.accumulate > 1 else ""
    parts += f" in micro-batches of {train.micro_batch}" if train.micro_batch else ""
    message = f"a batch of {train.batch_size} cannot be split over {parts}"
    also = (train.spans["batch_size"], "the batch size is set here")
    help = f"make `train.batch_size` a multiple of {unit}, or change `num_processes`"
    yield Finding("launch-batch-not-divisible", message, launch.span("num_processes"), help=help, also=also)
