"""OUT/report.html: what each stage of a curation did, with examples to see whether it was right. One file that runs no script.

It reads what stages wrote and changes nothing of it. The cost of a stage does not grow with its images but for a sort of their similarities.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow.parquet as pq

from graphssl.curate.catalogue import Catalogue
from graphssl.curate.drawing import scene
from graphssl.curate.examples import Examples
from graphssl.curate.flow import chosen_from, manifests
from graphssl.curate.folder import CurationFolder, StageFolder
from graphssl.curate.histogram import histogram
from graphssl.curate.manifest import shown
from graphssl.curate.sets import NONE, ImageSet, union
from graphssl.ir.graph import Graph, Node
from graphssl.pictures.page import figure
from graphssl.pictures.sheet import Sheet
from graphssl.report.page import document, drawing, section, table
from graphssl.views.describe import words
from graphssl.views.escape import xml
from graphssl.views.page.parts import part
from graphssl.wholefile import write_atomically

NAMED = 20
"""Images that cannot be decoded and are named."""


class Report:
    """The report of a curation, written anew after each stage; what is not done yet is told as that."""

    def __init__(self, graph: Graph, folder: CurationFolder, images: Catalogue) -> None:
        self._graph, self._folder, self._images = graph, folder, images
        self._examples = Examples(images)
        self._records: dict[str, Mapping[str, Any]] = {}
        self._given: dict[str, int] = {}
        self._sections: dict[str, str] = {}

    def add(self, node: Node, record: Mapping[str, Any], sets: Mapping[str, ImageSet]) -> None:
        """Tell of a stage that is done. sets: what each stage until this one gave."""
        self._records[node.name] = record
        if node.kind != "source":
            self._given[node.name] = len(union(sets[ref.node] for ref in node.inputs[chosen_from(node)]))
        self._sections[node.name] = self._stage(node, sets[node.name], self._folder.stage(node.name))
        write_atomically(self._folder.report, self.page())

    def page(self) -> str:
        graph = self._graph
        body = [
            self._header(),
            "<main>",
            section("Curation", graph.spec.paper, drawing(scene(graph, self._kept()))),
            section("Stages", "", self._stages()),
            *([section("Manifest", "", self._manifest(), "list")] if self._listed() else []),
            *self._sections.values(),
            "</main>",
        ]
        return document(graph.title or graph.name, "\n".join(body), style=part(__package__, "report.css"))

    def _kept(self) -> dict[str, int]:
        return {name: record["kept"] for name, record in self._records.items()}

    def _listed(self) -> list[int]:
        """How many images the manifest holds, where it is written."""
        return [self._records[node.name]["kept"] for node in manifests(self._graph) if node.name in self._records]

    def _header(self) -> str:
        graph, done = self._graph, len(self._records)
        state = "finished" if done == len(graph.nodes) else "not finished"
        seen = {"curation": graph.name, "stages done": f"{done} of {len(graph.nodes)}"}
        seen |= {"images in the manifest": f"{sum(self._listed()):,}"} if self._listed() else {}
        now = "".join(f"<div><dt>{name}</dt><dd>{xml(value)}</dd></div>" for name, value in seen.items())
        return (
            f'<header><div class="names"><h1>{xml(graph.title or graph.name)}</h1><p class="soft">{xml(str(self._folder.path))}</p></div>'
            f'<dl>{now}</dl><p id="status" data-state="{state}">{state}</p></header>'
        )

    def _stages(self) -> str:
        """One line a stage."""
        return table(("stage", "", "in", "kept", "left out", "seconds", ""), [self._line(node) for node in self._graph])

    def _line(self, node: Node) -> tuple[str, ...]:
        record = self._records.get(node.name)
        if record is None:
            return (xml(node.name), xml(node.op.name), "", "", "", "", "not done")
        kept = record["kept"]
        given = self._given.get(node.name, kept + record["dropped"])
        counts = (f"{given:,}", f"{kept:,}", f"{given - kept:,}", f"{record['seconds']:.1f}")
        name = f'<a href="#stage-{xml(node.name)}">{xml(node.name)}</a>'
        return (name, xml(node.op.name), *counts, xml(record["words"]))

    def _manifest(self) -> str:
        """What is in the manifest, by source and reason, and how to train on it."""
        columns = pq.read_table(self._folder.manifest, columns=["source", "reason"])
        counted = columns.group_by(["source", "reason"]).aggregate([([], "count_all")]).to_pylist()
        rows = [
            (xml(row["source"]), xml(row["reason"]), f"{row['count_all']:,}")
            for row in sorted(counted, key=lambda row: (row["reason"], row["source"]))
        ]
        data = shlex.quote(f"manifest:{self._folder.manifest}")
        command = f"graphssl train METHOD --data {data} --out RUN"
        return f"{table(('from', 'chosen by', 'images'), rows)}<pre><code>{xml(command)}</code></pre>"

    def _stage(self, node: Node, kept: ImageSet, folder: StageFolder) -> str:
        record = self._records[node.name]
        dropped, spared = folder.dropped(), folder.spared()
        settings = words(
            {name: value for name, value in node.attrs.items() if value is not None and value is not False}
        )
        about = node.op.doc().partition("\n\n")[0].replace("\n", " ")
        body = [
            f'<p>{xml(record["words"])}</p><p class="soft">{xml(settings)}</p>',
            _similarities(node, kept, dropped, spared),
            *(self._unreadable(dropped) if node.kind == "source" else ()),
            *(figure(sheet) for sheet in self._sheets(node, kept, dropped, spared) if sheet.rows),
        ]
        return section(node.name, about, "".join(body), f"stage-{node.name}")

    def _sheets(self, node: Node, kept: ImageSet, dropped: ImageSet, spared: ImageSet) -> Iterator[Sheet]:
        """By what the result says of its images: what they are like, the clusters they are from, or nothing."""
        threshold = node.attrs.get("similarity")
        if node.attrs.get("skip"):
            return
        if threshold is not None:
            yield from self._examples.spared(spared, threshold)
            yield from self._examples.dropped(dropped, threshold)
        elif node.kind == "stage" and (kept.cluster != NONE).any():
            yield from self._examples.clusters(kept)
        elif node.kind == "stage" and (kept.like != NONE).any():
            yield from self._examples.retrieved(kept)
        else:
            yield from self._examples.plain(kept)

    def _unreadable(self, bad: ImageSet) -> Iterator[str]:
        """Names of images that are left out because they cannot be decoded."""
        names = [shown(self._images.place(image)) for image in bad.ids[:NAMED].tolist()]
        more = [f"and {len(bad) - NAMED:,} more"] if len(bad) > NAMED else []
        items = "".join(f"<li>{xml(name)}</li>" for name in [*names, *more])
        if names:
            yield f'<p>cannot be decoded:</p><ul class="unreadable">{items}</ul>'


def _similarities(node: Node, kept: ImageSet, dropped: ImageSet, spared: ImageSet) -> str:
    """How similar the images are to what they are compared with; nothing where they are not compared."""
    threshold = node.attrs.get("similarity")
    if node.kind != "stage" or node.attrs.get("skip"):
        return ""
    if threshold is not None:
        return histogram("images by their similarity to the nearest", spared.similarity, dropped.similarity, threshold)
    return histogram(
        "images by their similarity to what they were chosen for", kept.similarity, dropped.similarity, None
    )
