"""SimCLR from image files to weights: images a second of `graphssl train` against lightly, with the same encoder and batch.

    python -m benchmarks.end_to_end DATA [--images 5120] [--batch 256] [--rounds 9] [--steps 5]

DATA has train/CLASS/*.jpg of 32 px, such as CIFAR-10. graphssl runs `simclr@quick` with the paper's augmentation for CIFAR-10;
lightly its `SimCLRTransform` of the same strengths (bilinear crops, graphssl's are bicubic) in a torch DataLoader with as many
workers as cores, endless, so that no epoch has to start. Both are as they come: graphssl decodes an image once and keeps it, so
its first epoch stands apart. The two have processes of their own and take turns; the other one is stopped meanwhile, its workers,
too. Core-ms are what all cores computed for an image, the figure to look at on a machine that others use.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile

from rich.console import Console
from rich.table import Table

from benchmarks.turns import contenders, on_request

CONTENDERS = ("graphssl", "lightly")
WARM = 2


def train(contender: str, arguments: argparse.Namespace) -> None:
    """The training of one contender, as its process runs it."""
    from benchmarks.contenders import STEPS, SUBJECTS, train_by_graphssl
    from graphssl.data.loader import train_loader
    from graphssl.runtime.options import Options

    share = {"train.images": f"{100 * arguments.images / images_in(arguments.data)}%"}
    recipes = {f"nodes.{view}.recipe": "simclr_cifar" for view in ("v1", "v2")}
    subject = SUBJECTS["simclr"]
    method = subject.load(**share, **recipes, **{"train.batch_size": arguments.batch})
    per_epoch = arguments.images // arguments.batch
    if contender == "graphssl":
        with tempfile.TemporaryDirectory() as folder:
            options = Options(
                arguments.data, f"{folder}/run", steps=STEPS, eval_every=0, checkpoint_every=0, device="cpu"
            )
            train_by_graphssl(method, lambda *a, **k: on_request(train_loader(*a, **k)), options)
        return
    made = subject.by_lightly(method, STEPS, per_epoch)
    for views in on_request(lightly_batches(arguments.data, arguments.images, arguments.batch)):
        made.step(views)


def lightly_batches(data: str, images: int, batch: int):
    """lightly's views of random images, without end."""
    import torch
    from lightly.transforms import SimCLRTransform
    from torch.utils.data import DataLoader, RandomSampler, Subset
    from torchvision.datasets import ImageFolder

    transform = SimCLRTransform(input_size=32, cj_strength=0.5, gaussian_blur=0.0)
    whole = ImageFolder(f"{data}/train", transform=transform)
    subset = Subset(whole, torch.randperm(len(whole))[:images].tolist())
    endless = RandomSampler(subset, num_samples=1_000_000)
    loader = DataLoader(subset, batch_size=batch, sampler=endless, num_workers=os.cpu_count() or 1, drop_last=True)
    return (views for views, _ in loader)


def images_in(data: str) -> int:
    from graphssl.data.sources import open_data

    return len(open_data(data, "train", seed=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", metavar="DATA")
    parser.add_argument("--images", type=int, default=5120)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        train(arguments.one, arguments)
        return
    options = ("--images", str(arguments.images), "--batch", str(arguments.batch))
    first = (arguments.images // arguments.batch - WARM) // arguments.steps  # turns that lie in the first epoch
    rates: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    cores: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    words = (("-m", "benchmarks.end_to_end", arguments.data, *options, "--one", name) for name in CONTENDERS)
    with contenders(*words) as started:
        for process in started:
            process.steps(WARM)
        for _ in range(first + 1 + arguments.rounds):  # the turn between lies in both epochs
            for name, process in zip(CONTENDERS, started, strict=True):
                found = process.steps(arguments.steps)
                rates[name].append(arguments.steps * arguments.batch / sum(found["wall"]))
                cores[name].append(found["cores"] * 1000 / arguments.steps / arguments.batch)
    table = Table("epoch", *(f"{name}, images/s" for name in CONTENDERS), "ratio",
                  *(f"{name}, core-ms/image" for name in CONTENDERS), "ratio", title="SimCLR, data and step")  # fmt: skip
    for epoch, turns in (("first", slice(first)), ("later", slice(first + 1, None))):
        row = [epoch]
        for measured, inverse in ((rates, False), (cores, True)):
            ours, lightly = (measured[name][turns] for name in CONTENDERS)
            each = [b / a if inverse else a / b for a, b in zip(ours, lightly, strict=True)]
            row += [f"{statistics.median(values):.{2 if inverse else 0}f}" for values in (ours, lightly)]
            row += [f"{statistics.median(each):.2f}"]
        table.add_row(*row)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
