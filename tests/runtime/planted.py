"""Runs of 300 steps that go well and runs with a planted failure: what they are, and how their histories were recorded.

    python -m tests.runtime.planted --data CIFAR10 [--only NAME ...]

writes `tests/runtime/histories/NAME.jsonl.gz`, the metrics of each run without its times; `--table` prints what is in them. CIFAR10 is a folder with 625 images of each
class of CIFAR-10 (195 steps of 32 images an epoch). Every run is a bundled method's `@quick` with a smaller network and batch.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import graphssl
from graphssl.pipeline import Method

HISTORIES = Path(__file__).parent / "histories"
STEPS = 300

_RESNET = {"nodes.f.args": {"layers": [1, 1, 1, 1], "channels": [8, 16, 32, 64]}}
_TRANSFORMER = {"nodes.f.args": {"patch_size": 8, "embed_dim": 48, "depth": 2, "num_heads": 3}, "params.prototypes": 256,
                "nodes.h.hidden": [64, 64], "nodes.h.bottleneck": 32}  # fmt: skip
_ALL = {"train.batch_size": 32, "train.precision": "fp32"}
SMALL: Mapping[str, Mapping[str, Any]] = {
    "infonce": {**_RESNET, "nodes.g.dims": [128, 32]},
    "simclr": {**_RESNET, "nodes.g.dims": [128, 32]},
    "simclr_v2": {**_RESNET, "nodes.g.dims": [128, 128, 32]},
    "moco_v1": {**_RESNET, "params.queue": 512, "nodes.f.bn_group": 16},
    "moco_v2": {**_RESNET, "params.queue": 512, "nodes.f.bn_group": 16, "nodes.g.bn_group": 16, "nodes.g.dims": [128, 32]},
    "moco_v3": {**_RESNET, "params.hidden": 128, "params.dim": 32},
    "byol": {**_RESNET, "params.hidden": 128, "params.dim": 32},
    "simsiam": {**_RESNET, "params.hidden": 128, "params.neck": 32},
    "vicreg": {**_RESNET, "params.dim": 128},
    "dino": _TRANSFORMER,
    "ibot": _TRANSFORMER,
    "dinov2": _TRANSFORMER,
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One run. changes: what makes it fail. expected: the symptom it must be told, none of a healthy one; cause: words in it.

    The learning rate is that of `@quick`, as if the batch were as large, times `lr`.
    """

    method: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    variant: str = ""
    lr: float = 1
    expected: str = ""
    cause: str = ""

    def load(self) -> Method:
        small = {**_ALL, **SMALL[self.method]}
        quick, slow = (graphssl.load(f"{self.method}@quick", changes).checked_graph().train for changes in ({}, small))
        assert quick and slow
        base = self.lr * quick.peak_lr() / slow.lr_factor()
        return graphssl.load(f"{self.method}@quick{self.variant}", {**small, "train.lr.base": base, **self.changes})


RUNS: Mapping[str, Run] = {
    **{method: Run(method) for method in SMALL},
    "byol_no_predictor": Run("byol", variant="@no_predictor", expected="collapsed", cause="no predictor"),
    "dino_no_centring": Run(
        "dino", {"nodes.c": None, "nodes.p.in": "ht"}, expected="dead-head", cause="centre what the target"
    ),
    "simclr_cold": Run(
        "simclr", {"nodes.loss.temperature": 0.001}, expected="temperature-too-low", cause="temperature 0.001"
    ),
    "moco_v2_cold": Run(
        "moco_v2", {"nodes.loss.temperature": 0.001}, expected="temperature-too-low", cause="temperature 0.001"
    ),
    "simclr_fast": Run("simclr", lr=100, expected="lr-too-high", cause="lower `train.lr`"),
    "byol_fast": Run("byol", lr=100, expected="lr-too-high", cause="lower `train.lr`"),
    "dino_fast": Run("dino", lr=100, expected="lr-too-high", cause="lower `train.lr`"),
    "byol_no_target": Run("byol", variant="@no_target", expected="collapsed", cause="carries gradient"),
    "simclr_hot": Run(
        "simclr", {"nodes.loss.temperature": 100.0}, expected="uniform-logits", cause="lower `temperature`"
    ),
}


def record(run: Run, data: str, out: Path) -> list[dict[str, Any]]:
    """Train a run; its lines of metrics, those of a run that broke off included."""
    from graphssl.runtime.errors import RunError
    from graphssl.runtime.folder import RunFolder
    from graphssl.runtime.options import Options
    from graphssl.runtime.train import train

    options = Options(data=data, out=str(out), steps=STEPS, eval_every=0, device="cpu", checkpoint_every=0)
    try:
        train(run.load(), options)
    except RunError as error:
        print(f"{run.method} broke off: {error}")
    return list(RunFolder(out).metrics())


def without_times(record: dict[str, Any]) -> dict[str, Any]:
    """What a line of metrics says that the same run says again, numbers in four digits; not what was told then."""
    nodes = {n: {k: float(f"{v:.4g}") for k, v in m.items() if k != "time"} for n, m in record.get("nodes", {}).items()}
    rest = {key: value for key, value in record.items() if key not in ("images_per_s", "nodes", "diagnosis")}
    return {**rest, **({"nodes": nodes} if nodes else {})}


def history(name: str) -> list[dict[str, Any]]:
    """The recorded lines of a run."""
    with gzip.open(HISTORIES / f"{name}.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


COLUMNS = ("run", "told", "std", "rank share", "prototypes", "loss / guessing", "step", "growth")


def row(name: str) -> tuple[str, ...]:
    """What decides, of a recorded run: lowest after 50 steps of trained features, of prototypes; of losses both ends; largest steps."""
    from graphssl.runtime.diagnosis import Diagnosis, causes

    graph = RUNS[name].load().checked_graph()
    diagnosis = Diagnosis(graph)
    told = [f"{line['step']}: `{f.code}`" for line in history(name) for f in diagnosis.hear(line)]
    features = [node.name for node in causes.trained(graph) if node.gives("features")]

    def late(measure: str, nodes: Iterable[str]) -> list[float]:
        return [p.value for node in nodes for p in diagnosis.history.of(node, measure) if p.step >= 50]

    def least(measure: str, nodes: Iterable[str]) -> str:
        return f"{min(found):.2g}" if (found := late(measure, nodes)) else ""

    shares = late("chance_share", ["loss"])
    growths = list(causes.growths(graph, diagnosis.history))
    return (
        f"`{name}`",
        ", ".join(told) or "nothing",
        least("std", features),
        least("rank_share", features),
        least("prototypes", ["p"]),
        f"{min(shares):.3g} to {max(shares):.3g}" if shares else "",
        f"{max(growth.step for growth in growths):.2%}",
        f"{max(growth.times for growth in growths):.2f}",
    )


def table() -> str:
    """The rows of all recorded runs, as Markdown; healthy ones first."""
    names = sorted((n for n in RUNS if (HISTORIES / f"{n}.jsonl.gz").exists()), key=lambda n: bool(RUNS[n].expected))
    rows = [COLUMNS, ("---",) * len(COLUMNS), *map(row, names)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--table", action="store_true", help="print what decides, of all recorded runs")
    parser.add_argument("--only", nargs="*", choices=list(RUNS), default=list(RUNS))
    arguments = parser.parse_args()
    if arguments.table:
        print(table())
    for name in arguments.only if arguments.data else ():
        with tempfile.TemporaryDirectory() as folder:
            records = record(RUNS[name], arguments.data, Path(folder) / "run")
        text = "".join(json.dumps(without_times(line)) + "\n" for line in records)
        (HISTORIES / f"{name}.jsonl.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main()
