"""Images per second and core out of a folder, out of shards in our order, and out of the same shards by webdataset's own pipeline.

    python -m benchmarks.streaming FOLDER [FOLDER ...] [--seconds 4] [--rounds 7]

Shards are written to a temporary folder first. All three read files that the system has in memory, in batches of 64 in random order (webdataset: shards
shuffled, then a buffer of 1000), in one process without workers, and end with decoded uint8 images; `read` ends with encoded bytes.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from benchmarks.data import rate
from graphssl.data.decode import EXTENSIONS, decode
from graphssl.data.place import placed
from graphssl.data.shard_sampler import sampler_of
from graphssl.data.shards.write import write_shards
from graphssl.data.sources import open_data

BATCH = 64
Finish = Callable[[bytes], bytes | Tensor]
FINISHES: dict[str, Finish] = {"read": lambda data: data, "decode": lambda data: decode(data, "x")}


def ours(data: str, finish: Finish) -> Iterator[int]:
    """Batches of a source in the order of training; gives the number of images of each."""
    source = open_data(data)
    sampler, images = sampler_of(source, BATCH), placed(source)
    for step in itertools.count():
        yield len([finish(images.read(index)) for index in sampler.batch(step)])


def webdatasets(shards: Path, finish: Finish) -> Iterator[int]:
    """The same by webdataset's pipeline."""
    import webdataset

    urls = sorted(map(str, shards.glob("*.tar")))
    kinds = ";".join(extension.removeprefix(".") for extension in sorted(EXTENSIONS))
    found: Any = webdataset.WebDataset(urls, shardshuffle=len(urls), seed=0).repeat().shuffle(1000).to_tuple(kinds)
    samples = iter(found)
    while True:
        yield len([finish(data) for (data,) in itertools.islice(samples, BATCH)])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    table = Table(
        "folder",
        "",
        *("folder", "wds", "webdataset"),
        "wds / folder",
        "wds / webdataset",
        title="images a second of one core",
    )
    for folder in arguments.folders:
        with tempfile.TemporaryDirectory() as shards:
            write_shards(open_data(folder), Path(shards), images=1000)
            for name, finish in FINISHES.items():
                contenders = (ours(folder, finish), ours(f"wds:{shards}", finish), webdatasets(Path(shards), finish))
                for each in contenders:
                    rate(each, 0.5)  # caches fill
                rounds = [
                    [rate(each, arguments.seconds) for each in contenders]
                    for _ in track(range(arguments.rounds), f"{folder}, {name}")
                ]
                medians = [f"{statistics.median(column):.0f}" for column in zip(*rounds, strict=True)]
                ratios = [f"{statistics.median(row[1] / row[i] for row in rounds):.2f}" for i in (0, 2)]
                table.add_row(folder, name, *medians, *ratios)
    Console().print(table)


if __name__ == "__main__":
    main()
