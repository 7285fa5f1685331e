"""Images per second and core of decoding and augmentation, beside lightly's: one thread each, in turn, medians.

    python -m benchmarks.data --photos FOLDER --small FOLDER [--seconds 8] [--rounds 5]

FOLDER: photos of ordinary size for 224 px, and CIFAR-10 as files for 32 px. Both sides read files that the system has in memory, make the views
that the paper describes, and end with a batch of float32 tensors. lightly runs its own transforms on Pillow images, as its examples do.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

BATCH = 64
CACHE = 4 << 30  # bytes of decoded images, as `train` has by default: small images fit, photos of many sizes do not


def ours(method: str, folder: str) -> Iterator[int]:
    """Batches of the method's views; gives the number of images of each."""
    import graphssl
    from graphssl.data.loader import train_loader
    from graphssl.data.sampler import EpochSampler
    from graphssl.data.sources import cached, open_data
    from graphssl.runtime.makers import makers_of

    graph = graphssl.load(method).checked_graph()
    source = cached(open_data(folder, "train", seed=0), CACHE)
    sampler = EpochSampler(len(source), BATCH, seed=0)
    makers = makers_of(graph, seed=0, steps=1000, per_epoch=sampler.steps_per_epoch)
    for batch in train_loader(source, sampler, makers, first_step=0, last_step=10**9, workers=0):
        yield len(batch.labels)


def lightlys(transform: Callable[[Any], list[torch.Tensor]], folder: str) -> Iterator[int]:
    """The same with one of lightly's transforms on Pillow images."""
    files = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    endless = itertools.cycle(files)
    while True:
        views = [transform(Image.open(path).convert("RGB")) for path in itertools.islice(endless, BATCH)]
        for view in zip(*views, strict=True):
            torch.stack(view)
        yield len(views)


def rate(batches: Iterator[int], seconds: float) -> float:
    """Images per second over at least so many seconds."""
    begun, images = time.process_time(), 0
    while (taken := time.process_time() - begun) < seconds or not images:
        images += next(batches)
    return images / taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", required=True)
    parser.add_argument("--small", required=True)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    from lightly.transforms import BYOLTransform, DINOTransform, SimCLRTransform

    torch.set_num_threads(1)
    photos, small = arguments.photos, arguments.small
    pairs: dict[str, tuple[Iterator[int], Iterator[int]]] = {
        "BYOL, two views of 224 px": (ours("byol", photos), lightlys(BYOLTransform(), photos)),
        "DINO, two of 224 and eight of 96 px": (ours("dino", photos), lightlys(DINOTransform(), photos)),
        "SimCLR, two views of 32 px": (
            ours("simclr@cifar10", small),
            lightlys(SimCLRTransform(input_size=32, cj_strength=0.5, gaussian_blur=0.0), small),
        ),
    }
    table = Table("recipe", "graphssl, images/s", "lightly, images/s", "ratio", "ratio, lowest to highest")
    for name, (mine, theirs) in track(pairs.items(), transient=True):
        next(mine), next(theirs)  # start-up; the first epoch fills the cache
        rounds = [(rate(mine, arguments.seconds), rate(theirs, arguments.seconds)) for _ in range(arguments.rounds)]
        ratios = sorted(a / b for a, b in rounds)
        ours_, lightlys_ = (statistics.median(column) for column in zip(*rounds, strict=True))
        spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
        table.add_row(name, f"{ours_:.0f}", f"{lightlys_:.0f}", f"{statistics.median(ratios):.2f}", spread)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
