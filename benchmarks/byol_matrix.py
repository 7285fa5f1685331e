"""BYOL's predictor × target × negatives matrix and the sweep of its target's momentum, beside the paper's numbers.

    python benchmarks/byol_matrix.py --out runs/matrix [--data shapes] [--method byol@demo] [--epochs 10] [--only matrix|target]

Every row is a variant of `graphs/byol.yaml`; a row that has finished is not run again. Paper: arXiv:2006.07733, tables 5a,
5b and 19: ImageNet top-1 of a linear probe after 300 epochs; here kNN on the data given, so compare the order of the rows
and which of them collapse. Spread is the mean standard deviation of the l2-normalised projections times the root of their
width: 1 when they fill the sphere, 0 when all are the same vector.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table

import graphssl
from graphssl.data.sources import open_data
from graphssl.evaluate.features import extract
from graphssl.evaluate.frozen import knn_of_run
from graphssl.evaluate.run import load_run
from graphssl.runtime.options import Options
from graphssl.runtime.train import train

# (predictor, target, β, variants, top-1 in the paper)
MATRIX = [
    ("yes", "EMA", 0, "", 72.5),
    ("yes", "EMA", 1, "@negatives", 70.9),
    ("no", "EMA", 1, "@no_predictor@negatives", 70.7),
    ("no", "none", 1, "@no_predictor@no_target@negatives", 69.4),
    ("yes", "none", 1, "@no_target@negatives", 69.1),
    ("yes", "sg", 1, "@stop_grad@negatives", 70.2),
    ("no", "sg", 1, "@no_predictor@stop_grad@negatives", 69.2),
    ("yes", "sg", 0, "@stop_grad", 5.5),
    ("yes", "none", 0, "@no_target", 0.3),
    ("no", "EMA", 0, "@no_predictor", 0.2),
    ("no", "sg", 0, "@no_predictor@stop_grad", 0.1),
    ("no", "none", 0, "@no_predictor@no_target", 0.1),
]
TARGET = [
    ("yes", "fixed random", 0, "@fixed_target", 18.8),
    ("yes", "EMA 0.999", 0, "@tau_0999", 69.8),
    ("yes", "EMA 0.99", 0, "@tau_099", 72.5),
    ("yes", "EMA 0.9", 0, "@tau_09", 68.4),
]


def spread(run: Path, data: str) -> float:
    """How far the projections of the test images are from being one vector."""
    method, module = load_run(run)
    graph = method.checked_graph()
    represent = module.represent

    def project(images: torch.Tensor) -> torch.Tensor:
        return F.normalize(module.g(represent(images)).float(), dim=1)

    module.represent = project
    rows, _ = extract(module, graph, open_data(data, "test"), device=torch.device("cpu"), workers=0)
    return float(rows.std(dim=0).mean() * rows.shape[1] ** 0.5)


def measured(name: str, out: Path, arguments: argparse.Namespace) -> Mapping[str, float]:
    """Train a row unless it has been, and measure it."""
    result = out / "row.json"
    if not result.is_file():
        overrides = {} if arguments.epochs is None else {"train.epochs": arguments.epochs}
        options = Options(data=arguments.data, out=str(out), steps=arguments.steps, eval_every=0.0, resume=True)
        train(graphssl.load(name, overrides), options)
        scores = {f: knn_of_run(str(out), arguments.data, features=f)["top1"] for f in ("random", "encoder")}
        result.write_text(json.dumps({**scores, "spread": spread(out, arguments.data)}))
    return json.loads(result.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="shapes")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--method", default="byol@demo")
    parser.add_argument("--epochs", type=float)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--only", choices=["matrix", "target"])
    arguments = parser.parse_args()
    table = Table(title=f"{arguments.method} on {arguments.data}")
    for column in ("predictor", "target", "β", "paper", "kNN", "random encoder", "spread"):
        table.add_column(column, justify="right" if column not in ("predictor", "target") else "left")
    rows = {"matrix": MATRIX, "target": TARGET, None: [*MATRIX, *TARGET]}[arguments.only]
    for predictor, target, beta, variants, paper in rows:
        found = measured(
            arguments.method + variants, arguments.out / (variants.replace("@", "_")[1:] or "byol"), arguments
        )
        table.add_row(
            predictor, target, str(beta), f"{paper:.1f}", f"{found['encoder']:.1%}", f"{found['random']:.1%}",
            f"{found['spread']:.2f}",
        )  # fmt: skip
        print(variants or "byol", found, flush=True)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
