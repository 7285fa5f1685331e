"""Features of a whole data set in files: shards of numbers, or one Parquet file made from them.

The images are cut into shards by their number alone. A process computes its share of the shards that are missing and gives each its
name when it is whole, so what is there may stay, whoever was killed when, and the content does not depend on the number of processes.
"""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from torch import Tensor

from graphssl.data.errors import DataError, NoSplit
from graphssl.data.sources import ImageSource, open_data
from graphssl.data.wrapped import Wrapped
from graphssl.evaluate.features import unmoved
from graphssl.evaluate.frozen import FrozenRun, identity
from graphssl.progress import progress
from graphssl.runtime.errors import RunError, reason
from graphssl.runtime.lock import held
from graphssl.runtime.processes import own_device, processes
from graphssl.wholefile import remove_unfinished, whole, write_atomically

Row = tuple[int, str, str, int | None, str | None]
"""Of an image: its number in its split, split, path, label and class; none where it is unlabelled."""

COLUMNS = ("index", "split", "path", "label", "class")


@dataclass(frozen=True)
class Shard:
    """Images start, ..., stop - 1 of a split, and the files of what was computed of them."""

    folder: Path
    number: int
    split: str
    start: int
    stop: int

    @property
    def features(self) -> Path:
        """(n d) float32. It is written last: the shard is there when this is."""
        return self.folder / f"features-{self.number:05d}.npy"

    @property
    def images(self) -> Path:
        """(n) int64: the number in its split of each row's image; those that cannot be decoded have none."""
        return self.folder / f"images-{self.number:05d}.npy"

    def write(self, features: Tensor, images: Tensor) -> None:
        for file, values in ((self.images, images), (self.features, features)):
            with whole(file) as temporary, temporary.open("wb") as opened:
                np.save(opened, values.numpy())
                opened.flush()

    def read(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Features, memory-mapped, and images. Raises RunError where they are damaged."""
        try:
            features = np.load(self.features, mmap_mode="r", allow_pickle=False)
            images = np.load(self.images, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            raise RunError(f"`{self.features}` is damaged: remove it, and give the same command again") from None
        return features, images


class Output:
    """Where features go: a folder of shards, or a `.parquet` file, whose shards lie beside it until it is whole."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.one_file = out.suffix == ".parquet"
        self.folder = out.with_name(f".{out.name}.parts") if self.one_file else out
        self.manifest = self.folder / "manifest.json"
        self.index = self.folder / "index.csv"

    @contextmanager
    def held(self, facts: Mapping[str, Any]) -> Iterator[None]:
        """Begin, or go on with what was begun with the same facts, and keep others out.

        Raises:
            RunError: something else is there, it is complete, or another process writes there.
        """
        if self.out.exists() and (self.one_file or self.index.exists()):
            raise RunError(f"`{self.out}` is there already: choose another -o, or remove it")
        if self.folder.is_dir() and any(self.folder.iterdir()) and not self.manifest.exists():
            raise RunError(f"`{self.folder}` is not empty, and no embedding was begun there: choose another -o")
        self.folder.mkdir(parents=True, exist_ok=True)
        with held(self.folder / ".lock", f"`{self.out}` is being written by"):
            self._begin(json.loads(json.dumps(facts)))
            yield

    def _begin(self, facts: dict[str, Any]) -> None:
        if not self.manifest.exists():
            write_atomically(self.manifest, json.dumps(facts, indent=2) + "\n")
        try:
            begun = json.loads(self.manifest.read_text())
        except ValueError:
            begun = None
        if not isinstance(begun, dict):
            raise RunError(f"`{self.manifest}` is damaged: remove `{self.folder}` and begin anew")
        if changed := [name for name in facts if begun.get(name) != facts[name]]:
            raise RunError(
                f"`{self.out}` was begun with another {', '.join(changed)}: choose another -o, or remove `{self.folder}`"
            )
        remove_unfinished(self.folder)

    def finish(self, shards: Sequence[Shard], row: Callable[[str, int], Row]) -> None:
        """Write what makes the output complete."""
        if self.one_file:
            self._write_parquet(shards, row)
            shutil.rmtree(self.folder)
        else:
            self._write_index(shards, row)

    def _write_index(self, shards: Sequence[Shard], row: Callable[[str, int], Row]) -> None:
        with whole(self.index) as temporary, temporary.open("w", newline="", encoding="utf-8") as opened:
            writer = csv.writer(opened)
            writer.writerow((*COLUMNS, "file", "row"))
            for shard in shards:
                for place, number in enumerate(shard.read()[1].tolist()):
                    writer.writerow((*row(shard.split, number), shard.features.name, place))

    def _write_parquet(self, shards: Sequence[Shard], row: Callable[[str, int], Row]) -> None:
        width = max(shard.read()[0].shape[1] for shard in shards)
        fields = [("index", pa.int64()), ("split", pa.string()), ("path", pa.string()), ("label", pa.int64())]
        fields += [("class", pa.string()), ("feature", pa.list_(pa.float32(), width))]
        schema = pa.schema(fields, metadata={"graphssl": self.manifest.read_text()})
        with whole(self.out) as temporary, pq.ParquetWriter(temporary, schema) as writer:
            for shard in shards:
                features, images = shard.read()
                rows = [row(shard.split, number) for number in images.tolist()]
                columns = [[one[i] for one in rows] for i in range(len(COLUMNS))]
                flat = pa.FixedSizeListArray.from_arrays(pa.array(features.reshape(-1)), width)
                arrays = [pa.array(values, kind.type) for values, kind in zip(columns, schema, strict=False)]
                writer.write_table(pa.table([*arrays, flat], schema=schema))


def embed(
    path: str,
    data: str,
    out: str,
    *,
    split: str = "all",
    features: str = "encoder",
    shard_images: int | None = None,
    device: str | None = None,
    workers: int = 0,
    plugins: Sequence[str] = (),
) -> dict[str, Any]:
    """Write the features of all images that can be decoded; what was written, the same on every process.

    Args:
        out: a `.parquet` file, or a folder of shards with an index. What was begun there with the same weights and images is gone on with.
        split: "train", "test", or "all": both where both are there.
        shard_images: images of a shard; default: about 64 shards of 256 to 8192.

    Raises:
        RunError: no run, something else is at `out`, or it cannot be written. DataError: no images.
    """
    with processes() as (rank, ranks, from_first):
        frozen = FrozenRun(
            path, features=features, device=own_device(device), workers=workers, plugins=plugins, cache=False
        )
        sources = _sources(data, split)
        total = sum(map(len, sources.values()))
        size = shard_images or shard_size(total)
        output = Output(Path(out))
        shards = _cut(output.folder, sources, size)
        facts = _facts(frozen, sources, size)
        try:
            with ExitStack() as stack:

                def begin() -> list[int]:
                    stack.enter_context(output.held(facts))
                    return [number for number, shard in enumerate(shards) if not shard.features.exists()]

                missing = from_first(begin)
                _compute([shards[i] for i in missing[rank::ranks]], frozen, sources)
                return dict(from_first(lambda: _finished(output, shards, sources, facts)))
        except OSError as error:
            what = f"cannot write to `{out}`: {reason(error)}"
            raise RunError(f"{what}; the shards that are there stay, and the same command goes on with them") from None


def _compute(shards: Sequence[Shard], frozen: FrozenRun, sources: Mapping[str, ImageSource]) -> None:
    with (
        progress("images", sum(shard.stop - shard.start for shard in shards)) as advance,
        unmoved(frozen.module),
    ):
        for shard in shards:
            numbers = list(range(shard.start, shard.stop))
            shard.write(*frozen.extract(Numbered(sources[shard.split]), numbers, advance))


def _finished(
    output: Output, shards: Sequence[Shard], sources: Mapping[str, ImageSource], facts: Mapping[str, Any]
) -> dict[str, Any]:
    shapes = [shard.read()[0].shape for shard in shards]
    count, width = sum(rows for rows, _ in shapes), max(width for _, width in shapes)
    total = sum(map(len, sources.values()))
    if not count:
        raise DataError(f"none of the {total} images can be decoded")

    def row(split: str, number: int) -> Row:
        source = sources[split]
        label = source.label(number)
        path = source.describe(number).encode("utf-8", "backslashreplace").decode()
        return number, split, path, *((label, source.classes[label]) if label >= 0 else (None, None))

    output.finish(shards, row)
    told = {name: facts[name] for name in ("features", "step", "precision")}
    return {"images": count, "left_out": total - count, "width": width, "shards": len(shards), **told}


def _facts(frozen: FrozenRun, sources: Mapping[str, ImageSource], size: int) -> dict[str, Any]:
    """What must be the same to go on."""
    data = {split: {"images": len(source), "identity": identity(source)} for split, source in sources.items()}
    return {**frozen.settings, "data": data, "shard_images": size}


def _sources(data: str, split: str) -> dict[str, ImageSource]:
    if split != "all":
        return {split: open_data(data, split)}
    sources = {"train": open_data(data, "train")}
    with suppress(NoSplit):
        sources["test"] = open_data(data, "test")
    return sources


def shard_size(images: int) -> int:
    """Images of a shard: about 64 shards, of 256 to 8192."""
    return min(8192, max(256, 256 * math.ceil(images / 64 / 256)))


def _cut(folder: Path, sources: Mapping[str, ImageSource], size: int) -> list[Shard]:
    parts = [
        (split, start, min(start + size, len(source)))
        for split, source in sources.items()
        for start in range(0, len(source), size)
    ]
    return [Shard(folder, number, *part) for number, part in enumerate(parts)]


class Numbered(Wrapped):
    """Each image's label is its number, so that it is known which ones could be decoded."""

    def label(self, index: int) -> int:
        return index

    def load(self, index: int) -> Tensor:
        return self._source.load(index)
