"""Shards as a numbered set of images: the same ones wherever they lie; a lost shard is an error, or told and replaced."""

from __future__ import annotations

import logging
import pickle
from collections import Counter
from pathlib import Path

import fsspec
import pytest
import torch

from graphssl.data.errors import BadImage, BadShard, DataError, NoSplit
from graphssl.data.loader import TrainSteps
from graphssl.data.place import Place
from graphssl.data.sampler import EpochSampler
from graphssl.data.sources import ImageSource, open_data
from graphssl.data.subset import Subset


def test_the_same_images_labels_and_classes_as_the_source(small: ImageSource, shards: Path, remote: str) -> None:
    for data in (
        f"wds:{shards}",
        f"wds:{remote}/shard-{{000000..000004}}.tar",
        f"wds:pipe:cat {shards}/shard-{{000000..000004}}.tar",
    ):
        source = open_data(data)
        assert len(source) == 20 and len(source.classes) == (
            10 if "pipe" not in data else max(map(small.label, range(20))) + 1
        )
        assert [source.label(i) for i in range(20)] == [small.label(i) for i in range(20)]
        assert all(torch.equal(source.load(i), small.load(i)) for i in range(20))
        assert source.shard_sizes == (4,) * 5  # type: ignore[attr-defined]
        with pytest.raises(NoSplit):
            open_data(data, "test")


def test_an_index_spares_reading_and_says_what_is_damaged(remote: str, shards: Path, cache_folder: Path) -> None:
    source = open_data(f"wds:{remote}/*.tar")
    assert len(source) == 20 and not (cache_folder / "shards").exists()
    source.load(13)
    assert len([*(cache_folder / "shards").glob("*.shard")]) == 1
    (shards / "shard-000002.tar").write_bytes((shards / "shard-000002.tar").read_bytes()[:-1])
    with pytest.raises(BadShard, match=r"shard-000002.tar` is damaged: it has .* bytes instead of"):
        open_data(f"wds:{shards}")
    (shards / "index.json").write_text("{}")
    with pytest.raises(DataError, match="is no index of shards"):
        open_data(f"wds:{shards}")


def test_without_an_index_shards_are_read_once(shards: Path, caplog: pytest.LogCaptureFixture) -> None:
    (shards / "index.json").unlink()
    source = open_data(f"wds:{shards}")
    assert len(source) == 20 and source.label(3) >= 0 and source.classes[0] == "0"


def test_places_name_the_shard_and_the_sample(shards: Path) -> None:
    source = open_data(f"wds:{shards}")
    assert source.place(5) == Place(shard=f"{shards}/shard-000001.tar", key="000000005")  # type: ignore[attr-defined]
    assert source.describe(5) == f"{shards}/shard-000001.tar/000000005.png"
    assert Subset(source, [2, 5]).place(1) == source.place(5)  # type: ignore[attr-defined]


def test_identities_follow_the_shards(shards: Path) -> None:
    first = [*open_data(f"wds:{shards}").identity()]
    assert first == [*open_data(f"wds:{shards}").identity()] and len(first) == 5
    (shards / "shard-000000.tar").touch()
    assert first != [*open_data(f"wds:{shards}").identity()]


def test_a_missing_or_cut_shard_is_fatal_or_left_out_and_told(shards: Path, caplog: pytest.LogCaptureFixture) -> None:
    pattern = f"{shards}/shard-{{000000..000004}}.tar"
    (shards / "shard-000001.tar").unlink()
    with pytest.raises(BadShard, match=r"the shard `.*shard-000001.tar` is missing"):
        open_data(f"wds:{pattern}")
    with caplog.at_level(logging.WARNING):
        source = open_data(f"wds+skip:{pattern}")
    assert len(source) == 16 and "left out: the shard" in caplog.text and "shard-000001.tar" in caplog.text
    (shards / "shard-000003.tar").write_bytes(b"")
    with pytest.raises(DataError, match=r"2 of 5 shards of .* are lost, too many to skip"):
        open_data(f"wds+skip:{pattern}")


def test_a_shard_lost_on_the_way_is_fatal_by_default(remote: str) -> None:
    source = open_data(f"wds:{remote}/*.tar")
    fsspec.filesystem("memory").rm("/remote/shard-000002.tar")
    with pytest.raises(BadShard, match=r"shard-000002.tar` is missing"):
        TrainSteps(source, EpochSampler(20, 20), {})[0]


def test_a_shard_lost_on_the_way_is_replaced_by_as_many_other_images(remote: str) -> None:
    source = open_data(f"wds+skip:{remote}/*.tar")
    fsspec.filesystem("memory").rm("/remote/shard-000002.tar")
    batch = TrainSteps(source, EpochSampler(20, 20), {})[0]
    shown = Counter(batch.indices.tolist())
    assert shown == Counter([*range(8), *range(12, 20), *range(12, 16)])  # those of the shard behind it
    assert [(path, "is left out with its 4 images" in reason) for path, reason in batch.bad] == [
        (f"{remote}/shard-000002.tar", True)
    ]


def test_a_shard_on_this_disk_that_goes_away_is_lost_as_a_whole(shards: Path) -> None:
    fatal, skipping = (open_data(f"{kind}:{shards}") for kind in ("wds", "wds+skip"))
    fatal.load(0), skipping.load(0)
    (shards / "shard-000000.tar").unlink()
    with pytest.raises(BadShard, match=r"shard-000000.tar` is missing"):
        fatal.load(1)
    batch = TrainSteps(skipping, EpochSampler(20, 20), {})[0]
    assert Counter(batch.indices.tolist()) == Counter([*range(4, 20), *range(4, 8)]) and len(batch.bad) == 1


def test_many_lost_shards_are_no_accident(remote: str) -> None:
    source = open_data(f"wds+skip:{remote}/*.tar")
    fsspec.filesystem("memory").rm("/remote/shard-000002.tar")
    fsspec.filesystem("memory").rm("/remote/shard-000003.tar")
    for index in (8, 9):
        with pytest.raises(BadImage, match="is left out with its 4 images"):
            source.load(index)
    assert source.label(8) == -1
    with pytest.raises(DataError, match=r"is left out with its 4 images: the shard .* is missing"):
        source.place(8)  # type: ignore[attr-defined]
    with pytest.raises(DataError, match="2 of 5 shards of"):
        source.load(12)


def test_an_index_that_counts_otherwise_is_an_error(shards: Path, write_tar: object) -> None:
    text = (shards / "index.json").read_text()
    (shards / "index.json").write_text(text.replace('"nsamples": 4', '"nsamples": 5', 1))
    source = open_data(f"wds:{shards}")
    assert len(source) == 21
    with pytest.raises(BadShard, match="holds 4 images but 5 were counted"):
        source.load(0)


def test_what_another_process_removed_from_the_cache_is_fetched_again(remote: str, cache_folder: Path) -> None:
    source = open_data(f"wds:{remote}/*.tar")
    image = source.load(0)
    for path in (cache_folder / "shards").glob("*.shard"):
        path.unlink()
    assert torch.equal(source.load(0), image)


def test_errors_and_sources_survive_the_way_to_another_process(shards: Path) -> None:
    error = pickle.loads(pickle.dumps(BadImage("a", "is bad", apart=7)))
    assert (error.path, error.reason, error.apart) == ("a", "is bad", 7)
    assert len(pickle.loads(pickle.dumps(open_data(f"wds:{shards}")))) == 20
