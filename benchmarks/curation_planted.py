"""What the stages of a curation find of what was planted: recall by kind of copy, and precision, at several thresholds.

    python -m benchmarks.curation_planted SMALL --photos FOLDER --encoder RUN [--threshold 0.99]

SMALL: train/CLASS/ and test/CLASS/, such as CIFAR-10 as files; photos: a folder of larger images. Both lie in one pool, with planted copies
(`benchmarks/planting.py`). Each threshold is tried on the whole pool alone; retrieval follows both stages at `--threshold`.

Recall: of planted pairs, those of which one image at most stays; of planted images of the benchmark, those that are dropped; of images of the
curated classes, those that are retrieved. Precision: of what is dropped, the share that stands for a planted copy of the image that stays for
it, or that is a planted image of the benchmark; of what is retrieved, the share that was planted.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.planting import KINDS, Size, Truth, plant

THRESHOLDS = (0.45, 0.6, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999)
CURATION = """\
graphssl: 1
kind: curation
name: planted
params: {{unique: {{default: 0.6}}, clean: {{default: 0.45}}}}
nodes:
  pool: {{op: images, data: "{folder}/pool"}}
  curated: {{op: images, data: "{folder}/curated"}}
  benchmark: {{op: images, data: "{folder}/benchmark"}}
  unique: {{op: self_deduplicate, in: pool, encoder: "{encoder}"}}
  clean: {{op: relative_deduplicate, in: {{pool: {pool}, reference: benchmark}}, encoder: "{encoder}"}}
  near: {{op: retrieve_samples, in: {{pool: clean, queries: curated}}, encoder: "{encoder}"}}
  like:
    op: retrieve_clusters
    in: {{pool: clean, queries: curated}}
    encoder: "{encoder}"
    clusters: 200
    images: 20
  manifest: {{op: manifest, in: [curated, near, like]}}
"""


@dataclass(frozen=True)
class Found:
    """What a stage found. recall: by kind, found and planted."""

    count: int
    right: int
    recall: Mapping[str, tuple[int, int]]

    def said(self, kind: str) -> str:
        found, planted = self.recall.get(kind, (0, 0))
        return f"{found / planted:.0%}" if planted else "–"

    @property
    def precision(self) -> str:
        return f"{self.right / self.count:.1%}" if self.count else "–"


def of_kind(truth: Mapping[str, str], found: set[str]) -> dict[str, tuple[int, int]]:
    """By kind, how many of the planted ones are among those found."""
    planted, there = Counter(truth.values()), Counter(kind for name, kind in truth.items() if name in found)
    return {kind: (there[kind], count) for kind, count in planted.items()}


def deduplicated(truth: Truth, dropped: Mapping[str, str]) -> Found:
    """dropped: name of an image, and of the one that stays for it."""
    groups = truth.groups
    original = {groups[name]: name for name in groups if name not in truth.copies}
    found = {copy for copy in truth.copies if copy in dropped or original[groups[copy]] in dropped}
    right = sum(name in groups and groups.get(stays) == groups[name] for name, stays in dropped.items())
    return Found(len(dropped), right, of_kind(truth.copies, found))


def chosen(truth: Mapping[str, str], names: set[str]) -> Found:
    """Images that were to be found, by name."""
    return Found(len(names), len(names & truth.keys()), of_kind(truth, names))


class Planted:
    """A planted pool and the folder of its curation by an encoder, whose stages are done anew for each threshold."""

    def __init__(self, folder: Path, encoder: str, truth: Truth, workers: int = 1) -> None:
        self.folder, self.encoder, self.truth, self.workers = folder, encoder, truth, workers
        self.out = folder / f"out-{Path(encoder).name}"

    def curate(self, similarity: float, *, until: str | None = None, pool: str = "unique") -> None:
        """pool: what the benchmark's images are looked for in."""
        from graphssl.curate.curation import load
        from graphssl.curate.engine import Local
        from graphssl.curate.run import Options, curate

        text = CURATION.format(folder=self.folder, encoder=self.encoder, pool=pool)
        thresholds = {f"nodes.{stage}.similarity": similarity for stage in ("unique", "clean")}
        options = Options(engine=Local(self.workers), until=until, allow_changed=True)
        self.curation = load(text, thresholds)
        curate(self.curation, str(self.out), options)

    def names(self, stage: str, column: str = "dropped") -> dict[str, str]:
        """Names of the images that a stage dropped, or kept, each with that of the image that it is like."""
        from graphssl.curate.catalogue import Catalogue
        from graphssl.curate.folder import CurationFolder

        images = Catalogue(self.curation.checked_graph())
        found = getattr(CurationFolder(self.out).stage(stage), column)()
        return {
            self._name(images, image): self._name(images, like)
            for image, like in zip(found.ids.tolist(), found.like.tolist(), strict=True)
        }

    def _name(self, images, image: int) -> str:  # type: ignore[no-untyped-def]
        return Path(images.place(image).path).name if image >= 0 else ""

    def at(self, similarity: float) -> tuple[Found, Found]:
        """Of copies, and of images of the benchmark, among the whole pool."""
        self.curate(similarity, until="clean", pool="pool")
        return deduplicated(self.truth, self.names("unique")), chosen(self.truth.benchmark, {*self.names("clean")})

    def retrieved(self, similarity: float) -> dict[str, Found]:
        """What each way of retrieval kept of the pool after both."""
        self.curate(similarity)
        return {stage: chosen(self.truth.wanted, {*self.names(stage, "kept")}) for stage in ("clean", "near", "like")}


def table_of(title: str, rows: Sequence[tuple[float, Found]]) -> Table:
    """small / photo of each kind."""
    table = Table("similarity", "dropped", "precision", *KINDS, title=f"{title} (recall: small / photos)")
    for similarity, found in rows:
        recalls = [f"{found.said(f'small {kind}')} / {found.said(f'photo {kind}')}" for kind in KINDS]
        table.add_row(f"{similarity:g}", f"{found.count:,}", found.precision, *recalls)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("small", type=Path)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--threshold", type=float, default=0.99)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="a folder for the pool and the reports; default: a temporary one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        truth = plant(arguments.small, arguments.photos, folder, Size())
        show(Planted(folder, arguments.encoder, truth, arguments.workers), arguments.threshold)


def show(planted: Planted, threshold: float) -> None:
    """Print the tables of an encoder."""
    console, began = Console(width=130), time.perf_counter()
    found = {similarity: planted.at(similarity) for similarity in THRESHOLDS}
    for number, title in enumerate(("self_deduplicate", "relative_deduplicate")):
        rows = [(similarity, both[number]) for similarity, both in found.items()]
        console.print(table_of(f"{title}, {planted.encoder}", rows))
    table = Table("", "images", "precision", "small", "photos", title=f"retrieval after both at {threshold:g} (recall)")
    for stage, kept in planted.retrieved(threshold).items():
        table.add_row(stage, f"{kept.count:,}", kept.precision, kept.said("small"), kept.said("photo"))
    console.print(table)
    console.print(f"{time.perf_counter() - began:.0f} s, embedding included\n")


if __name__ == "__main__":
    main()
