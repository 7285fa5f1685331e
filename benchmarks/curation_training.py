"""Training on curated images against as many random ones of the same pool, for the same number of steps: kNN of both.

    python -m benchmarks.curation_training SMALL --photos FOLDER --encoder RUN [--steps 300] [--seeds 1]

SMALL: train/CLASS/ and test/CLASS/, such as CIFAR-10 as files. The pool holds what is left of its training images without labels, most of the
first class and ever fewer of the next, with photos among them; the curated set is 500 images of each of the last three classes, which are the
rarest of the pool. Curated: these images and the four images of the pool that are nearest to each of them, by the encoder; random: as many of
the pool. kNN compares test images with labelled training images, of all classes and of the curated ones alone.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

CURATED, EACH, LARGEST, TAIL = 3, 500, 4000, 0.7
BANK, TESTED = 500, 500
BATCH, SMALL = 128, {"layers": [1, 1, 1, 1], "channels": [16, 32, 64, 128]}
"""A ResNet-10 that two cores train in minutes."""

CURATED_SET = """\
graphssl: 1
kind: curation
name: curated
nodes:
  pool: {{op: images, data: "{folder}/pool"}}
  curated: {{op: images, data: "{folder}/curated"}}
  near: {{op: retrieve_samples, in: {{pool: pool, queries: curated}}, encoder: "{encoder}"}}
  manifest: {{op: manifest, in: [curated, near]}}
"""
RANDOM_SET = """\
graphssl: 1
kind: curation
name: random
nodes:
  pool: {{op: images, data: "{folder}/pool"}}
  some: {{op: sample_randomly, in: pool, images: {count}}}
  manifest: {{op: manifest, in: some}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("small", type=Path)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--method", default="simclr@quick")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder for images, manifests and runs; default: a temporary one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        compare(arguments, arguments.keep or Path(temporary))


def compare(arguments: argparse.Namespace, folder: Path) -> None:
    """Print the table."""
    classes = spread(arguments.small, arguments.photos, folder)
    curated = manifest(folder / "curated-set", CURATED_SET.format(folder=folder, encoder=arguments.encoder))
    count = pq.read_metadata(curated).num_rows
    random = manifest(folder / "random-set", RANDOM_SET.format(folder=folder, count=count))
    table = Table("images", "steps", "of curated classes", "kNN, all classes", "kNN, curated classes", "minutes")
    for name, images in (("random", random), ("curated", curated)):
        table.add_row(*row(arguments, folder, name, images, classes))
    Console(width=120).print(table)


def spread(small: Path, photos: Path | None, folder: Path) -> list[str]:
    """Write pool/, curated/, all/ and few/ for evaluation; the names of all classes, the curated ones last."""
    random = np.random.default_rng(0)
    classes = sorted(path.name for path in (small / "train").iterdir())
    for number, name in enumerate(classes):
        rare = number >= len(classes) - CURATED
        files = [*random.permutation(sorted((small / "train" / name).iterdir()))]
        bank, files = files[:BANK], files[BANK:]
        curated, files = (files[:EACH], files[EACH:]) if rare else ([], files)
        linked(files[: round(LARGEST * TAIL**number)], folder / "pool", name)
        linked(curated, folder / "curated", name)
        tested = sorted((small / "test" / name).iterdir())[:TESTED]
        for kind in ("all", "few") if rare else ("all",):
            linked(bank, folder / kind / "train" / name)
            linked(tested, folder / kind / "test" / name)
    if photos:
        linked(sorted(photos.iterdir()), folder / "pool", "photo")
    return classes


def linked(files: Sequence[Path], folder: Path, prefix: str = "") -> None:
    """Let the images lie in a folder, too."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        (folder / f"{prefix}{'-' if prefix else ''}{file.name}").symlink_to(file.resolve())


def manifest(out: Path, text: str) -> Path:
    """The manifest of a curation."""
    from graphssl.curate.curation import load
    from graphssl.curate.run import curate

    curate(load(text), str(out))
    return out / "manifest.parquet"


def row(arguments: argparse.Namespace, folder: Path, name: str, images: Path, classes: Sequence[str]) -> Iterator[str]:
    """Train on a manifest, once a seed, and evaluate."""
    began, results = time.perf_counter(), []
    for seed in range(arguments.seeds):
        results.append(trained(arguments, folder, folder / f"{name}-run-{seed}", images, seed))
    paths = pq.read_table(images, columns=["path"])["path"].to_pylist()
    counts = Counter(Path(path).name.partition("-")[0] for path in paths)
    yield f"{len(paths):,} {name}"
    yield f"{arguments.steps}"
    yield f"{sum(counts[each] for each in classes[-CURATED:]) / len(paths):.1%}"
    for kind in ("all", "few"):
        found = [result[kind] for result in results]
        yield f"{statistics.mean(found):.2%}" + (f" ± {statistics.stdev(found):.2%}" if len(found) > 1 else "")
    yield f"{(time.perf_counter() - began) / 60:.1f}"


def trained(arguments: argparse.Namespace, folder: Path, run: Path, images: Path, seed: int) -> dict[str, Any]:
    """kNN top-1 of a run on these images, of all classes and of the curated ones."""
    import graphssl
    from graphssl.evaluate.frozen import knn_of_run
    from graphssl.runtime.options import Options
    from graphssl.runtime.train import train

    method = graphssl.load(arguments.method, {"train.seed": seed, "train.batch_size": BATCH, "nodes.f.args": SMALL})
    options = Options(f"manifest:{images}", str(run), steps=arguments.steps, eval_every=0, checkpoint_every=0)
    if code := train(method, options):
        raise SystemExit(code)
    return {kind: knn_of_run(str(run), str(folder / kind))["top1"] for kind in ("all", "few")}


if __name__ == "__main__":
    main()
