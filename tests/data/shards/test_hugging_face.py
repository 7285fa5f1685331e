"""Data sets of the Hub, by folders that are laid out like one: Parquet files are shards, anything else is prepared as a whole."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from graphssl.data.errors import BadImage, BadShard, DataError, NoSplit
from graphssl.data.place import placed
from graphssl.data.shards import hugging_face
from graphssl.data.shards.hugging_face import DownloadedSource
from graphssl.data.sources import open_data

datasets = pytest.importorskip("datasets")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()


@pytest.fixture
def hub(tmp_path: Path, class_folder: Path) -> str:
    """The images of `class_folder` as two Parquet files for training, and one of four for the test."""
    source = open_data(str(class_folder))
    features = datasets.Features({"picture": datasets.Image(), "kind": datasets.ClassLabel(names=["cat", "dog"])})
    columns = {
        "picture": [{"bytes": Path(source.describe(i)).read_bytes(), "path": None} for i in range(10)],
        "kind": [source.label(i) for i in range(10)],
    }
    rows = datasets.Dataset.from_dict(columns, features=features)
    folder = tmp_path / "hub" / "data"
    folder.mkdir(parents=True)
    for name, start, stop in (
        ("train-00000-of-00002", 0, 6),
        ("train-00001-of-00002", 6, 10),
        ("validation-00000-of-00001", 0, 4),
    ):
        rows.select(range(start, stop)).to_parquet(str(folder / f"{name}.parquet"))
    return f"hf:{tmp_path / 'hub'}"


def test_parquet_files_are_shards(hub: str, class_folder: Path) -> None:
    source, folder = open_data(hub), open_data(str(class_folder))
    assert source.shard_sizes == (6, 4) and source.classes == ("cat", "dog")  # type: ignore[attr-defined]
    assert [source.label(i) for i in range(10)] == [folder.label(i) for i in range(10)]
    assert all(torch.equal(source.load(i), folder.load(i)) for i in range(10))
    place = placed(source).place(7)
    assert place.shard.endswith("hub/data/train-00001-of-00002.parquet") and place.key == "1"
    assert placed(source).read(7) == Path(folder.describe(7)).read_bytes()


def test_parquet_files_behind_urls_are_fetched_when_they_are_used(
    hub: str, class_folder: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, opened = fsspec.filesystem("memory"), hugging_face._builder
    system.put(f"{hub.removeprefix('hf:')}/data/", "/hub/", recursive=True)

    def elsewhere(*arguments: Any) -> Any:
        builder, asked = opened(*arguments)
        files = builder.config.data_files
        builder.config.data_files = {
            part: [f"memory:///hub/{Path(file).name}" for file in files[part]] for part in files
        }
        return builder, asked

    monkeypatch.setattr(hugging_face, "_builder", elsewhere)
    source, folder = open_data(hub), open_data(str(class_folder))
    assert source.shard_sizes == (6, 4) and not (cache_folder / "shards").exists()  # type: ignore[attr-defined]
    assert torch.equal(source.load(7), folder.load(7)) and source.label(7) == 1
    assert len([*(cache_folder / "shards").glob("*.shard")]) == 1
    system.rm("/hub", recursive=True)


def test_splits_are_found_or_named(hub: str) -> None:
    assert len(open_data(hub, "test")) == 4 and len(open_data(f"{hub}:validation")) == 4
    assert len(open_data(f"{hub}:default:train")) == 10
    with pytest.raises(NoSplit, match="names one split"):
        open_data(f"{hub}:validation", "test")
    with pytest.raises(DataError, match=r"has no split `tran`; it has train, validation"):
        open_data(f"{hub}:tran")
    with pytest.raises(DataError, match="expected hf:NAME"):
        open_data(f"{hub}:a:b:c")


def test_a_row_of_a_parquet_file_is_a_place(hub: str, tmp_path: Path) -> None:
    source = open_data(hub)
    places = [placed(source).place(index) for index in (9, 0)]
    pq.write_table(
        pa.table({"shard": [p.shard for p in places], "key": [p.key for p in places]}), tmp_path / "m.parquet"
    )
    listed = open_data(f"manifest:{tmp_path / 'm.parquet'}")
    assert [placed(listed).place(i) for i in (0, 1)] == sorted(places)
    assert torch.equal(listed.load(0), source.load(0)) and torch.equal(listed.load(1), source.load(9))


def test_a_row_without_an_image_keeps_its_number(tmp_path: Path, class_folder: Path) -> None:
    data = (class_folder / "cat" / "0.png").read_bytes()
    rows = pa.array([{"bytes": data, "path": None}, None, {"bytes": b"no image", "path": "x"}, {"bytes": data, "path": ""}],
                    pa.struct({"bytes": pa.binary(), "path": pa.string()}))  # fmt: skip
    (tmp_path / "hub").mkdir()
    pq.write_table(
        pa.table({"img": rows, "label": [3, 2, None, 1]}), tmp_path / "hub" / "train.parquet", row_group_size=2
    )
    source = open_data(f"hf:{tmp_path / 'hub'}")
    assert len(source) == 4 and torch.equal(source.load(0), source.load(3))
    assert source.classes == ("0", "1", "2", "3") and [source.label(i) for i in range(4)] == [3, 2, -1, 1]
    for index, why in ((1, "is empty"), (2, "is not an image")):
        with pytest.raises(BadImage, match=why):
            source.load(index)


def test_cut_files_and_files_without_images_are_named(hub: str, tmp_path: Path) -> None:
    file = tmp_path / "hub" / "data" / "train-00001-of-00002.parquet"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(BadShard, match=r"train-00001-of-00002.parquet` cannot be read as Parquet"):
        open_data(hub)
    pq.write_table(pa.table({"text": ["a"]}), file)
    with pytest.raises(DataError, match=r"has no column of images \(`{bytes, path}`\); it has text"):
        open_data(hub)


def test_what_is_no_parquet_is_prepared_as_a_whole(class_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (class_folder / "cat" / "notes.txt").unlink()
    source, folder = open_data(f"hf:{class_folder}"), open_data(str(class_folder))
    assert isinstance(source, DownloadedSource) and "is downloaded as a whole" in caplog.text
    assert source.classes == ("cat", "dog") and len(source) == 10
    assert [source.label(i) for i in range(10)] == [folder.label(i) for i in range(10)]
    assert torch.equal(source.load(3), folder.load(3))


def test_what_is_not_there_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"cannot be opened: .*nothing") as raised:
        open_data(f"hf:{tmp_path / 'nothing'}")
    assert "\n" not in str(raised.value)
    whole: Callable[..., Any] = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "datasets":
            raise ImportError(name)
        return whole(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DataError, match=r"needs the library datasets: pip install graphssl\[hf\]"):
        open_data("hf:x")
