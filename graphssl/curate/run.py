"""Running a curation: stage after stage, each done once; what is there from before, of the same images and settings, stays."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphssl.curate.catalogue import Catalogue
from graphssl.curate.curation import Curation
from graphssl.curate.embedding import Embed, Embedded, Encoder, Part, joined, parts_of
from graphssl.curate.engine import Engine, Local, missing
from graphssl.curate.flow import encoders, stage
from graphssl.curate.folder import CurationFolder, StageFolder, digest
from graphssl.curate.report import Report
from graphssl.curate.sets import ImageSet, nothing, union
from graphssl.curate.stage import Result, Work
from graphssl.curate.vectors import Vectors
from graphssl.evaluate.features import unmoved
from graphssl.ir.graph import Graph, Node
from graphssl.progress import progress
from graphssl.runtime.errors import RunError, reason
from graphssl.runtime.processes import FromFirst, own_device, processes
from graphssl.wholefile import remove_unfinished, write_atomically

Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """How a curation is run.

    until: the last stage to do; default: all. allow_changed: do stages anew whose settings or images are others than those of the folder.
    device, workers: what embeds, and its loader processes.
    """

    engine: Engine = field(default_factory=Local)
    until: str | None = None
    allow_changed: bool = False
    device: str | None = None
    workers: int = 0
    plugins: tuple[str, ...] = ()


def curate(curation: Curation, out: str, options: Options = Options(), say: Say = lambda line: None) -> dict[str, Any]:
    """Do the stages that are not done; the summary, the same on every process of `accelerate launch`.

    Raises:
        GraphError: the curation has errors. RunError, DataError: a user's mistake, or a disk that is full; what is done stays, and the
        same call goes on.
    """
    graph = curation.checked_graph()
    if options.until is not None and options.until not in graph.nodes:
        raise RunError(f"there is no stage `{options.until}` to stop at: there are {', '.join(graph.nodes)}")
    with processes() as (rank, ranks, from_first), ExitStack() as stack:
        runner = _Runner(graph, CurationFolder(out), options, (rank, ranks, from_first), say)
        try:
            from_first(lambda: stack.enter_context(runner.folder.held()))
            return runner.run(curation)
        except OSError as error:
            what = f"cannot write to `{out}`: {reason(error)}"
            raise RunError(f"{what}; what is done stays, and the same command goes on from there") from None


class _Runner:
    def __init__(
        self, graph: Graph, folder: CurationFolder, options: Options, ranks: tuple[int, int, FromFirst], say: Say
    ) -> None:
        self.graph, self.folder, self.options, self.say = graph, folder, options, say
        self.rank, self.ranks, self.from_first = ranks
        self.images = Catalogue(graph)
        self.report = Report(graph, folder, self.images)
        self.embedded: dict[tuple[str, str], Embedded] = {}
        self.sets: dict[str, ImageSet] = {}
        self.records: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, dict[str, Any]] = {}
        for node in graph:  # in order: a stage's key has those of its inputs
            self.keys[node.name] = self.key(node)

    def run(self, curation: Curation) -> dict[str, Any]:
        nodes = list(self.graph)
        last = next((i for i, node in enumerate(nodes) if node.name == self.options.until), len(nodes) - 1)
        self.from_first(lambda: self.begin(curation, nodes[: last + 1]))
        for node in nodes[: last + 1]:
            self.do(node)
        return dict(self.from_first(self.finish))

    def begin(self, curation: Curation, nodes: Sequence[Node]) -> None:
        """Refuse to do stages anew that are done with other settings, unless that is asked for."""
        changed = [node.name for node in nodes if self.change(node)]
        if changed and self.options.allow_changed:
            self.folder.put_aside()
        elif changed:
            first = self.graph.nodes[changed[0]]
            others = f", so {', '.join(f'`{name}`' for name in changed[1:])} would change, too" if changed[1:] else ""
            raise RunError(
                f"`{self.folder.path}` was made with another {self.change(first)} of `{first.name}`{others}: choose another -o, or add "
                "--allow-changed to do these stages anew"
            )
        write_atomically(self.folder.file, curation.text())

    def change(self, node: Node) -> str:
        """What is another than when this stage was done; nothing where it is not done, or all is the same."""
        record = self.folder.stage(node.name).record()
        before, now = (record["key"], self.keys[node.name]) if record else ({}, {})
        return ", ".join(name for name in now if before.get(name) != now[name])

    def key(self, node: Node) -> dict[str, Any]:
        """All that the result of a stage depends on, as JSON."""
        attrs = dict(node.attrs)
        if node.kind == "source":
            listing = self.images[node.name]
            used = {name: self.encoder(name).key for name in self.encoders(node)}
            return _plain({"data": attrs, "images": listing.digest, "encoders": used})
        given = {port: [[ref.node, digest(self.keys[ref.node])] for ref in refs] for port, refs in node.inputs.items()}
        return _plain({"op": node.op.name, **attrs, "inputs": given})

    def encoders(self, node: Node) -> list[str]:
        return list(encoders(self.graph, node))

    def encoder(self, run: str) -> Encoder:
        return Encoder(run, own_device(self.options.device), self.options.workers, self.options.plugins)

    def do(self, node: Node) -> None:
        """Do a stage, or take over what it gave before."""
        folder, began = self.folder.stage(node.name), time.perf_counter()
        if node.kind == "source":
            for run in self.encoders(node):
                self.embed(node, run, folder)
        record = self.from_first(lambda: self.done(node, folder, began))
        self.records[node.name] = record
        self.sets[node.name] = folder.kept()
        self.from_first(lambda: self.report.add(node, record, self.sets))

    def done(self, node: Node, folder: StageFolder, began: float) -> dict[str, Any]:
        record = folder.record()
        same = record is not None and record["key"] == self.keys[node.name]
        if record and same and (node.kind != "manifest" or self.folder.lists(record["kept"])):
            self.say(f"{node.name}: {record['words']} (done before)")
            return record
        folder.done.unlink(missing_ok=True)
        result = self.listed(node) if node.kind == "source" else self.computed(node, folder)
        record = folder.finish(self.keys[node.name], result, time.perf_counter() - began)
        self.say(f"{node.name}: {record['words']}")
        return record

    def embed(self, node: Node, run: str, folder: StageFolder) -> None:
        """The rows of the images of a node by an encoder; processes of a launcher share them."""
        listing, encoder = self.images[node.name], self.encoder(run)
        parts = parts_of(listing, folder.scratch("rows", listing.digest, self.keys[node.name]["encoders"][run]))
        todo = self.from_first(lambda: [part.number for part in _cleaned(parts)])
        embed = Embed(encoder, listing)
        if isinstance(self.options.engine, Local):
            _embed_here(embed, [parts[i] for i in todo[self.rank :: self.ranks]], f"{node.name}: images")
        else:
            self.options.engine.run(embed, parts, f"{node.name}: images")
        self.from_first(lambda: None)  # all wait until the last part is there
        self.embedded[node.name, run] = Embedded.of(parts)

    def listed(self, node: Node) -> Result:
        """The images of a node that every encoder could decode."""
        listing = self.images[node.name]
        good = np.ones(len(listing), dtype=np.bool_)
        for run in self.encoders(node):
            good &= np.isin(np.arange(len(listing)), self.embedded[node.name, run].numbers)
        if not good.any():
            raise RunError(f"none of the {len(listing)} images of `{node.name}` can be decoded")
        bad = int((~good).sum())
        left_out = f", {bad:,} that cannot be decoded left out" if bad else ""
        words = f"{int(good.sum()):,} images{left_out}"
        return Result(ImageSet.of(listing.ids[good]), ImageSet.of(listing.ids[~good]), words, {"unreadable": bad})

    def computed(self, node: Node, folder: StageFolder) -> Result:
        given = {port: [(ref.node, self.sets[ref.node]) for ref in refs] for port, refs in node.inputs.items()}
        main = stage(node).main
        if node.attrs.get("skip"):
            return Result(union(one for _, one in given[main]) if main else nothing(), nothing(), "skipped")

        def vectors(images: ImageSet, run: str) -> Vectors:
            return self.vectors(images, run, folder)

        work = Work(self.options.engine, self.images, vectors, folder.scratch, self.folder.manifest)
        try:
            return stage(node).run(work, node.attrs, given)
        except RunError as error:
            raise RunError(f"`{node.name}`: {error}") from None

    def vectors(self, images: ImageSet, run: str, folder: StageFolder) -> Vectors:
        if not len(images):
            raise RunError(
                "the stages before it have left no images to compare: look at their thresholds in the report"
            )
        split = list(self.images.split(images.ids))
        rows = [self.embedded[listing.node.name, run] for listing, _ in split]
        of = [[listing.digest, self.keys[listing.node.name]["encoders"][run]] for listing, _ in split]
        file = folder.scratch("chosen", of, images.digest) / "rows.npy"
        return joined(rows, [numbers for _, numbers in split], file)

    def finish(self) -> dict[str, Any]:
        names = ("kept", "dropped", "words", "facts", "seconds")
        summary = {"stages": {name: {key: record[key] for key in names} for name, record in self.records.items()}}
        write_atomically(self.folder.summary, json.dumps(summary, indent=2) + "\n")
        return summary


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    """As JSON reads it back."""
    found: dict[str, Any] = json.loads(json.dumps(facts))
    return found


def _cleaned(parts: Sequence[Part]) -> list[Part]:
    """Those that are missing; what a killed run was just writing is taken away."""
    folder = parts[0].folder
    folder.mkdir(parents=True, exist_ok=True)
    remove_unfinished(folder)
    return missing(parts)


def _embed_here(embed: Embed, parts: Sequence[Part], what: str) -> None:
    if not parts:
        return
    module = embed.encoder.loaded.module
    with progress(what, sum(part.stop - part.start for part in parts)) as advance, unmoved(module):
        for part in parts:
            embed(part, advance)
