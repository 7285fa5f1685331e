"""`graphssl demo`: the whole way once, on generated images — check, train, evaluate, draw."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from graphssl.cli.failures import UsageError
from graphssl.pipeline import load

METHOD = "simclr@demo"


def demo(arguments: argparse.Namespace) -> int:
    """Train SimCLR on `shapes` and print a table of kNN accuracies."""
    from graphssl.evaluate.frozen import knn_of_run
    from graphssl.runtime.options import Options
    from graphssl.runtime.train import train
    from graphssl.views import draw

    run = Path(arguments.out)
    if run.exists():
        raise UsageError(f"`{run}` exists: delete it, or choose another --out")
    started = time.perf_counter()
    method = load(METHOD)
    code = train(method, Options(data="shapes", out=str(run), eval_samples=2000, eval_every=9.0))
    if code:
        return code
    minutes = (time.perf_counter() - started) / 60
    table = Table(title=f"kNN on shapes (k 20, 8000 training and 2000 test images), trained {minutes:.1f} minutes")
    table.add_column("features")
    table.add_column("top-1", justify="right")
    for features, name in (("pixels", "raw pixels"), ("random", "random encoder"), ("encoder", "trained")):
        result = knn_of_run(str(run), "shapes", features=features)
        table.add_row(name, f"{result['top1']:.1%}")
    picture = run / "method.svg"
    draw(method).save(str(picture))
    Console().print(table)
    print(f"picture of the method: {picture}")
    return 0
