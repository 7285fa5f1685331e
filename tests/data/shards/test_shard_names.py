from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from graphssl.data.errors import DataError, NoSplit
from graphssl.data.shards.names import expanded, shards_of


@pytest.mark.parametrize(
    "pattern, names",
    [
        ("a-{08..11}.tar", ["a-08.tar", "a-09.tar", "a-10.tar", "a-11.tar"]),
        ("a-{9..10}.tar", ["a-9.tar", "a-10.tar"]),
        ("{x,y}/{0..1}", ["x/0", "x/1", "y/0", "y/1"]),
        ("pipe:awk '{print}' {a,b}.tar", ["pipe:awk '{print}' a.tar", "pipe:awk '{print}' b.tar"]),
        ("plain.tar", ["plain.tar"]),
    ],
)
def test_braces_count_and_list(pattern: str, names: list[str]) -> None:
    assert expanded(pattern) == names


@pytest.mark.parametrize("pattern", ["{9..3}.tar", "{0..9999999}.tar", "{0..9999}{0..9999}.tar"])
def test_braces_that_mean_nothing_are_refused(pattern: str) -> None:
    with pytest.raises(DataError, match=r"counts backwards|more than 1,000,000"):
        expanded(pattern)


def test_a_folder_a_glob_and_braces_name_the_same_shards(shards: Path) -> None:
    named = [f"{shards}/shard-00000{number}.tar" for number in range(5)]
    for pattern in (shards, f"{shards}/*.tar", f"{shards}/shard-{{000000..000004}}.tar", f"file://{shards}"):
        assert shards_of(str(pattern), "train", "x") == named


def test_a_glob_of_a_url_lists_it(remote: str) -> None:
    assert shards_of(f"{remote}/*.tar", "train", "x") == [f"{remote}/shard-00000{number}.tar" for number in range(5)]


def test_the_split_stands_in_the_pattern_or_there_is_none(shards: Path) -> None:
    (shards / "val.tar").write_bytes(b"")
    assert shards_of(f"{shards}/{{split}}.tar", "test", "x") == [f"{shards}/val.tar"]
    with pytest.raises(NoSplit, match="no train images: there is no"):
        shards_of(f"{shards}/{{split}}.tar", "train", "x")
    with pytest.raises(NoSplit, match=r"has no test images; write `{split}`"):
        shards_of(str(shards), "test", "x")


def test_a_split_behind_a_url_is_looked_for(remote: str) -> None:
    pattern = remote.replace("remote", "{split}") + "/shard-00000{0..1}.tar"
    with pytest.raises(NoSplit, match=r"has no test images|no test images: there is no"):
        shards_of(pattern, "test", "x")
    system = fsspec.filesystem("memory")
    system.cp("/remote/shard-000000.tar", "/val/shard-000000.tar")
    assert shards_of(pattern, "test", "x") == [f"memory:///val/shard-00000{number}.tar" for number in (0, 1)]
    system.rm("/val", recursive=True)


def test_nothing_there_is_an_error_with_the_closest_name(shards: Path) -> None:
    with pytest.raises(DataError, match=r"none is there; the closest name there is `.*shard-000000.tar`"):
        shards_of(f"{shards}/shrd-000000.tar", "train", "x")
