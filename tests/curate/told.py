"""A report of results that were made up, of whichever stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from graphssl.curate.catalogue import Catalogue
from graphssl.curate.curation import load
from graphssl.curate.folder import CurationFolder
from graphssl.curate.manifest import write_manifest
from graphssl.curate.report import Report
from graphssl.curate.sets import ImageSet, ids_of, nothing
from graphssl.curate.stage import Result

EVIL = "<img src=x onerror=alert(1)>&lt;.png"
CURATION = """\
graphssl: 1
kind: curation
name: planted
title: "A <b>pool</b>"
nodes:
  pool: {op: images, data: "POOL"}
  asked: {op: images, data: "POOL"}
  unique: {op: self_deduplicate, in: pool, encoder: e, similarity: 0.75}
  near: {op: retrieve_samples, in: {pool: unique, queries: asked}, encoder: e}
  like: {op: retrieve_clusters, in: {pool: unique, queries: asked}, encoder: e}
  manifest: {op: manifest, in: [near, like]}
"""
ALL = ("pool", "asked", "unique", "near", "like", "manifest")


def like(rows: Sequence[int], similarity: Sequence[float], other: int, cluster: int = -1) -> ImageSet:
    """Images with their similarity to another."""
    many = (np.full(len(rows), value, dtype=np.int64) for value in (cluster, other))
    return ImageSet.of(np.array(rows, dtype=np.int64), np.array(similarity, dtype=np.float32), *many)


def results(copies: Sequence[float]) -> dict[str, Result]:
    """Of 24 images one cannot be decoded; some are copies of the first, with these similarities."""
    every, rest = np.arange(23), np.arange(1 + len(copies), 23)
    unique, dropped = ImageSet.of(np.delete(every, range(1, 1 + len(copies)))), range(1, 1 + len(copies))
    spared = like(rest.tolist(), np.linspace(0, 0.7, len(rest)).tolist(), 0)
    near, of_cluster = (
        like([10, 11], [0.5, 0.25], ids_of(1, np.array(3)).item()),
        like([12, 13, 14], [np.nan] * 3, -1, 7),
    )
    return {
        "pool": Result(ImageSet.of(every), ImageSet.of(np.array([23])), "23 images"),
        "asked": Result(ImageSet.of(ids_of(1, every)), nothing(), "23 images"),
        "unique": Result(unique, like([*dropped], copies, 0, 0), "some are copies", spared=spared),
        "near": Result(near, nothing(), "2 retrieved"),
        "like": Result(of_cluster, nothing(), "3 of a cluster"),
        "manifest": Result(ImageSet.of(np.arange(10, 15)), nothing(), "5"),
    }


Told = Callable[..., str]


@pytest.fixture
def told(tmp_path: Path) -> Told:
    """`told("near")`: the page when stages until this one are done."""
    pool = tmp_path / "pool"
    pool.mkdir()
    for i in range(23):
        Image.new("RGB", (8, 8), (10 * i, 0, 0)).save(pool / f"{i:02d}.png")
    (pool / EVIL).write_bytes(b"no image")

    def page(last: str, copies: Sequence[float] = (0.8, 0.9, 0.99), gone: str = "") -> str:
        graph = load(CURATION.replace("POOL", str(pool))).checked_graph()
        images, folder = Catalogue(graph), CurationFolder(tmp_path / "out")
        if gone:
            (pool / gone).unlink()
        report, sets, given = Report(graph, folder, images), dict[str, ImageSet](), results(copies)
        for name in ALL[: ALL.index(last) + 1]:
            sets[name] = given[name].kept
            if name == "manifest":
                write_manifest(folder.manifest, images, [(one, sets[one]) for one in ("near", "like")])
            report.add(graph.nodes[name], folder.stage(name).finish({}, given[name], 0.5), sets)
        return folder.report.read_text()

    return page
