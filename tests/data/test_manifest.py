"""A manifest of files and members of all kinds of archives is a data set like any other."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from graphssl.data.errors import BadImage, BadShard, DataError, NoSplit
from graphssl.data.place import Place, placed
from graphssl.data.shards.write import write_shards
from graphssl.data.sources import open_data
from graphssl.data.subset import Subset


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHSSL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def manifest(tmp_path: Path) -> Callable[..., str]:
    """manifest(path=[...], label=[...]): the name of a manifest with these columns."""

    def write(**columns: list[Any]) -> str:
        pq.write_table(pa.table(columns), tmp_path / "m.parquet")
        return f"manifest:{tmp_path / 'm.parquet'}"

    return write


def archives(folder: Path) -> list[str]:
    """The folder as everything that images can be opened from; those but the first two lie in one shard."""
    tar, packed, zipped = (folder.parent / name for name in ("a.tar", "a.tar.gz", "a.zip"))
    for path, mode in ((tar, "w"), (packed, "w:gz")):
        with tarfile.open(path, mode) as file:  # type: ignore[call-overload]
            file.add(folder, folder.name)
    with zipfile.ZipFile(zipped, "w") as file:
        for path in sorted(folder.rglob("*.png")):
            file.write(path, path.relative_to(folder))
    write_shards(open_data(str(folder)), folder.parent / "shards", images=100, shuffle=None)
    return [str(folder), f"wds:{folder.parent / 'shards'}", str(tar), str(packed), str(zipped)]


def test_places_of_all_sources_name_the_same_images_in_a_manifest(
    class_folder: Path, manifest: Callable[..., str]
) -> None:
    for data in archives(class_folder):
        source = open_data(data)
        places = [placed(source).place(index) for index in range(10)]
        assert len({*places}) == 10 and all(Path(place.path or place.shard).is_absolute() for place in places)
        listed = open_data(
            manifest(**{word: [getattr(place, word) for place in places] for word in ("path", "shard", "key")})
        )
        assert [placed(listed).place(index) for index in range(10)] == places
        assert all(torch.equal(listed.load(index), source.load(index)) for index in range(10))
        again = open_data(manifest(path=[source.describe(0)]) if not places[0].shard else listed.name)
        assert torch.equal(again.load(0), source.load(0))


def test_kinds_are_mixed_and_rows_of_a_shard_come_together(class_folder: Path, manifest: Callable[..., str]) -> None:
    archives(class_folder)
    name = manifest(
        path=[None, "pets/cat/1.png", None, "", None],
        shard=["a.tar", "ignored beside a path", "a.zip", "shards/shard-000000.tar", "a.tar"],
        key=["pets/dog/0.png", None, "cat/2.png", "000000003", "pets/cat/0.png"],
        reason=["retrieved", "curated", "", "", ""],
        **{"class": ["dog", "cat", "cat", "cat", None]},
    )
    source, folder = open_data(name), open_data(str(class_folder))
    assert source.classes == ("cat", "dog") and [source.label(i) for i in range(5)] == [0, 1, -1, 0, 0]
    ends = [
        "cat/1.png",
        "a.tar/pets/dog/0.png",
        "a.tar/pets/cat/0.png",
        "a.zip/cat/2.png",
        "shard-000000.tar/000000003",
    ]
    assert all(source.describe(i).endswith(end) for i, end in enumerate(ends))
    assert all(torch.equal(source.load(i), folder.load(number)) for i, number in enumerate((1, 5, 0, 2, 3)))


def test_labels_without_classes_count(manifest: Callable[..., str], class_folder: Path) -> None:
    source = open_data(manifest(path=["pets/cat/1.png", "pets/dog/1.png", "pets/dog/2.png"], label=[2, None, 0]))
    assert source.classes == ("0", "1", "2") and [source.label(i) for i in range(3)] == [2, -1, 0]
    assert open_data(manifest(path=["pets/cat/1.png"])).classes == ()


def test_a_manifest_of_remote_shards_has_the_order_of_shards(class_folder: Path, manifest: Callable[..., str]) -> None:
    archives(class_folder)
    system = fsspec.filesystem("memory")
    for name in ("a", "b"):
        system.put(str(class_folder.parent / "shards" / "shard-000000.tar"), f"/m/{name}.tar")
    rows = {"shard": ["memory:///m/b.tar", "memory:///m/a.tar", "memory:///m/b.tar", None, None, None],
            "key": ["000000000", "000000001", "000000002", None, None, None],
            "path": [None, None, None, "pets/cat/1.png", "pets/dog/1.png", "pets/dog/2.png"]}  # fmt: skip
    source = open_data(manifest(**rows))
    assert source.shard_sizes == (2, 1, 1, 2)  # type: ignore[attr-defined]
    names = [source.describe(i).removeprefix("memory:///m/") for i in range(3, 6)]
    assert names == ["a.tar/000000001", "b.tar/000000000", "b.tar/000000002"]
    assert torch.equal(source.load(4), open_data(str(class_folder)).load(0))
    assert open_data(manifest(path=["pets/cat/1.png"])).shard_sizes == ()  # type: ignore[attr-defined]
    system.rm("/m", recursive=True)


def test_what_a_manifest_names_is_looked_for_when_it_is_used(class_folder: Path, manifest: Callable[..., str]) -> None:
    archives(class_folder)
    source = open_data(
        manifest(
            path=["pets/cat/no.png", None, None, None],
            shard=[None, "a.tar", "a.zip", "no.tar"],
            key=[None, "no", "no", "x"],
        )
    )
    for index in range(3):
        with pytest.raises(BadImage, match=r"no.png|a.tar/no|a.zip/no"):
            source.load(index)
    with pytest.raises(BadShard, match=r"the shard `.*no.tar` is missing"):
        source.load(3)


def test_a_manifest_that_is_none_is_told(manifest: Callable[..., str], tmp_path: Path) -> None:
    for columns, why in (
        ({"file": ["a"]}, "has neither a column `path` nor `shard` and `key`; it has file"),
        ({"shard": ["a"]}, "has neither a column"),
        ({"path": pa.array([], pa.string())}, "is empty"),
        ({"path": ["a", None]}, "row 1 of .* has neither a `path` nor"),
        ({"path": [None], "shard": ["a"], "key": [""]}, "row 0 of"),
        ({"shard": ["pipe:touch x"], "key": ["a"]}, "names a command .*; a file runs no commands"),
    ):
        with pytest.raises(DataError, match=why):
            open_data(manifest(**columns))
    (tmp_path / "m.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(DataError, match=r"cannot be read as Parquet: .*; is the file complete"):
        open_data(f"manifest:{tmp_path / 'm.parquet'}")
    with pytest.raises(DataError, match=r"does not exist; the closest name there is `.*m.parquet`"):
        open_data(f"manifest:{tmp_path / 'n.parquet'}")
    with pytest.raises(NoSplit):
        open_data(manifest(path=["a"]), "test")


def test_images_without_a_file_have_no_place() -> None:
    source = open_data("shapes:16,20")
    with pytest.raises(DataError, match=r"write them into shards first \(`graphssl shard shapes:16,20 -o FOLDER`\)"):
        placed(Subset(source, [3]))
    assert Place(path="a") < Place(path="b") and Place(shard="s", key="k") < Place(path="a")
