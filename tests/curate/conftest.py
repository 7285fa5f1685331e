"""Real images on disk to curate, and a toy run that embeds them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from graphssl.curate.curation import Curation, load
from graphssl.data.sources import open_data


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 40 images to choose from, in `pool`, 6 of `curated`, and 6 of `test`; see `planted`."""
    root = tmp_path_factory.mktemp("photos")
    shapes = open_data("shapes:32,64")
    images = [Image.fromarray(shapes.load(i).permute(1, 2, 0).numpy()) for i in range(52)]
    for name, start, stop in (("pool", 0, 40), ("curated", 40, 46), ("test", 46, 52)):
        (root / name).mkdir()
        for i in range(start, stop):
            images[i].save(root / name / f"{i:02d}.png")
    for i in range(5):
        images[i].save(root / "pool" / f"copy-{i:02d}.png")
    for i in range(46, 49):
        images[i].save(root / "pool" / f"leak-{i:02d}.png")
    return root


PLANTED = """\
graphssl: 1
kind: curation
name: planted
params: {{encoder: {encoder}}}
nodes:
  pool: {{op: images, data: {root}/pool}}
  curated: {{op: images, data: {root}/curated}}
  test: {{op: images, data: {root}/test}}
  unique: {{op: self_deduplicate, in: pool, encoder: "${{encoder}}", neighbours: 8, similarity: 0.999999}}
  clean: {{op: relative_deduplicate, in: {{pool: unique, reference: test}}, encoder: "${{encoder}}", similarity: 0.999999}}
  near: {{op: retrieve_samples, in: {{pool: clean, queries: curated}}, encoder: "${{encoder}}", neighbours: 2}}
  manifest: {{op: manifest, in: [curated, near]}}
"""


@pytest.fixture
def planted(photos: Path, trained: Callable[[str], Path]) -> Callable[..., Curation]:
    """`planted()`: a curation of `photos`, in whose pool 5 images are there twice and 3 are of the benchmark; overrides as of `load`."""

    def made(overrides: dict[str, Any] | None = None, root: Path = photos) -> Curation:
        return load(PLANTED.format(root=root, encoder=trained("simclr")), overrides or {})

    return made


def rows_of(out: Path) -> list[dict[str, Any]]:
    """The manifest that was written."""
    rows: list[dict[str, Any]] = pq.read_table(out / "manifest.parquet").to_pylist()
    return rows
