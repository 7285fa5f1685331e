"""How long a graph of growing size takes from text to module, stage by stage: CPU seconds, the median of some runs.

    python -m benchmarks.compiling [--nodes 10 100 1000] [--repeats 3]

The graphs are chains of projectors on two views, each with a predictor, a stop-gradient and a loss: what SimSiam has, at every
depth. The dry run is the forward and backward without memory that `graphssl check` does behind the static checks.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

import graphssl
from graphssl.checks import dry_run_findings
from graphssl.compiler.build import build
from graphssl.compiler.emit import emit
from graphssl.passes import optimize

HEAD = """
graphssl: 1
name: chain
nodes:
  v1: {op: augment, size: 32, recipe: simclr_cifar}
  v2: {op: augment, size: 32, recipe: simclr_cifar}
  g0: {op: encoder, arch: resnet18, in: [v1, v2]}
"""
LINK = """
  g{i}: {{op: projector, dims: [32, 32], in: g{before}}}
  h{i}: {{op: predictor, dims: [16, 32], in: g{i}}}
  s{i}: {{op: stop_grad, in: g{i}}}
  l{i}: {{op: cosine_loss, in: {{prediction: h{i}, target: s{i}}}, pairs: cross}}
"""
STAGES = ("read", "static check", "passes", "source", "module", "dry run")


def chain(nodes: int) -> str:
    """A method with about so many nodes."""
    links = "".join(LINK.format(i=i, before=i - 1) for i in range(1, (nodes - 3) // 4 + 1))
    return f"{HEAD}{links}represent: g0\n"


def seconds(nodes: int) -> tuple[int, dict[str, float]]:
    """Nodes there are, and the time of each stage."""
    text, times = chain(nodes), dict[str, float]()

    def timed(stage: str, work: Callable[[], Any]) -> Any:
        gc.collect()
        begun = time.process_time()
        result = work()
        times[stage] = time.process_time() - begun
        return result

    method = timed("read", lambda: graphssl.load(text))
    timed("static check", lambda: method.static)
    graph = timed("passes", lambda: optimize(method.checked_graph()))
    timed("source", lambda: emit(graph))
    timed("module", lambda: build(graph, steps=10, steps_per_epoch=10))
    timed("dry run", lambda: dry_run_findings(graph))
    return len(graph.nodes), times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    seconds(10)  # imports
    table = Table("nodes", *(f"{stage}, s" for stage in STAGES), "without the dry run, s")
    for nodes in track(arguments.nodes, transient=True):
        runs = [seconds(nodes) for _ in range(arguments.repeats)]
        times = [statistics.median(found[stage] for _, found in runs) for stage in STAGES]
        table.add_row(str(runs[0][0]), *(f"{each:.3f}" for each in (*times, sum(times[:-1]))))
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
