"""A planted pool, as the benchmark makes it: what must be found is, and the manifest depends on the images alone."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from benchmarks.curation_planted import Planted, deduplicated
from benchmarks.planting import KINDS, Size, Truth, plant
from graphssl.curate import search
from graphssl.curate.curation import Curation
from graphssl.curate.engine import Engine, Local
from graphssl.curate.engine_ray import Ray
from graphssl.curate.run import Options, curate
from graphssl.data.sources import open_data
from tests.curate.conftest import rows_of

Curations = Callable[..., Curation]
SIZE = Size(pool=40, neighbours=8, queries=4, benchmark=16, copies=2, benchmark_copies=2)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    """A planted pool of shapes, with photos that are larger ones."""
    root = tmp_path_factory.mktemp("made")
    for split in ("train", "test"):
        _write(root / "small" / split, "shapes:32,256", split)
    _write(root / "large", "shapes:48,64", "train")
    (root / "photos").mkdir()
    for number, file in enumerate(sorted((root / "large").rglob("*.png"))[:24]):
        file.rename(root / "photos" / f"{number}.png")
    return root / "planted", plant(root / "small", root / "photos", root / "planted", SIZE)


def _write(folder: Path, data: str, split: Any) -> None:
    images = open_data(data, split)
    for i in range(len(images)):
        place = folder / images.classes[images.label(i)] / f"{i:03d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images.load(i).permute(1, 2, 0).numpy()).save(place)


def _size(file: Path) -> tuple[int, int]:
    with Image.open(file) as image:
        return image.size


def test_it_is_known_what_everything_is(made: tuple[Path, Truth]) -> None:
    folder, truth = made
    kinds = [name for kind in KINDS for name in (f"small {kind}", f"small {kind}", f"photo {kind}")]
    assert sorted(truth.copies.values()) == sorted(truth.benchmark.values()) == sorted(kinds)
    assert [*truth.wanted.values()].count("photo") == 8 and len(truth.groups) == 30
    files = {file.name: _size(file) for file in (folder / "pool").iterdir()}
    assert truth.copies.keys() | truth.groups.keys() | truth.benchmark.keys() | truth.wanted.keys() <= files.keys()
    sizes = {kind: {files[name] for name, of in truth.copies.items() if of == f"small {kind}"} for kind in KINDS}
    assert sizes["resized"] == {(22, 22)} and sizes["cropped"] == {(27, 27)} and sizes["exact"] == {(32, 32)}
    assert (48, 48) in files.values()


def test_the_same_seed_plants_the_same(made: tuple[Path, Truth], tmp_path: Path) -> None:
    folder, truth = made
    again = plant(folder.parent / "small", folder.parent / "photos", tmp_path / "again", SIZE)
    assert again == truth
    for file in (folder / "pool").iterdir():
        assert file.read_bytes() == (tmp_path / "again" / "pool" / file.name).read_bytes()


def test_every_exact_copy_is_found_and_nothing_of_the_rest_at_one(
    made: tuple[Path, Truth], trained: Callable[[str], Path]
) -> None:
    folder, truth = made
    copies, touching = Planted(folder, str(trained("simclr")), truth).at(0.999999)
    for found in (copies, touching):
        assert found.recall["small exact"] == (2, 2) and found.precision == "100.0%"
        assert found.recall["small cropped"] == (0, 2)


def test_an_image_that_stays_for_another_picture_is_no_success() -> None:
    truth = Truth(copies={"b": "small exact"}, groups={"a": 0, "b": 0})
    right = deduplicated(truth, {"b": "a"})
    assert (right.right, right.count, right.recall) == (1, 1, {"small exact": (1, 1)})
    wrong = deduplicated(truth, {"b": "c", "d": "c"})
    assert (wrong.right, wrong.count, wrong.recall) == (0, 2, {"small exact": (1, 1)})


@pytest.fixture
def manifest_of(planted: Curations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The manifest that an engine makes, of many units of work."""
    monkeypatch.setattr(search, "QUERIES", 8)
    monkeypatch.setenv("GRAPHSSL_CACHE", str(tmp_path / "cache"))

    def manifest(name: str, engine: Engine | None = None, **more: Any) -> Any:
        curate(planted(**more), str(tmp_path / name), Options(engine=engine or Local()))
        return rows_of(tmp_path / name)

    return manifest


@pytest.mark.slow
def test_the_number_of_workers_changes_nothing(manifest_of: Callable[..., Any]) -> None:
    alone = manifest_of("alone")
    assert alone == manifest_of("two", Local(2)) == manifest_of("four", Local(4))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_ray_makes_the_same_manifest(manifest_of: Callable[..., Any], request: pytest.FixtureRequest) -> None:
    ray = pytest.importorskip("ray")
    request.addfinalizer(ray.shutdown)
    assert manifest_of("ray", Ray(2)) == manifest_of("local")


def as_archive(files: Sequence[Path], root: Path) -> str:
    with tarfile.open(root / "pool.tar", "w") as archive:
        for file in files:
            archive.add(file, f"pool/{file.name}")
    return f"{root}/pool.tar"


def as_shards(files: Sequence[Path], root: Path) -> str:
    """Two shards, of which each has its images in the order given."""
    for number in range(2):
        with tarfile.open(root / f"{number}.tar", "w") as shard:
            for file in (file for file in files if len(file.name) % 2 == number):
                shard.add(file, file.name)
    return f"wds:{root}/{{0..1}}.tar"


def as_manifest(files: Sequence[Path], root: Path) -> str:
    pq.write_table(pa.table({"path": [str(file) for file in files]}), root / "list.parquet")
    return f"manifest:{root}/list.parquet"


@pytest.mark.parametrize("given", [as_archive, as_shards, as_manifest])
def test_the_order_in_which_images_are_given_changes_nothing(
    given: Callable[..., str], manifest_of: Callable[..., Any], photos: Path, tmp_path: Path
) -> None:
    found = []
    for name in ("sorted", "shuffled"):
        root = Path(shutil.copytree(photos, tmp_path / name / "root"))
        files = sorted((root / "pool").iterdir())
        order = files if name == "sorted" else files[1::2] + files[-2::-2]
        rows = manifest_of(f"{name}/out", root=root, overrides={"nodes.pool.data": given(order, root)})
        found.append([{key: str(value).replace(str(root), "") for key, value in row.items()} for row in rows])
    assert found[0] == found[1]
    assert [row["source"] for row in found[0]].count("pool") > 1
