"""What is not read in place is fetched once, whole, into a cache that does not grow without end."""

from __future__ import annotations

import gzip
import multiprocessing
import os
from pathlib import Path

import fsspec
import pytest

from graphssl.data.errors import BadShard, DataError
from graphssl.data.shards.fetch import Shard, on_disk


def test_a_plain_local_shard_stays_where_it_is(shards: Path) -> None:
    path = shards / "shard-000000.tar"
    assert on_disk(Shard(str(path))) == path


def test_urls_pipes_and_compressed_shards_become_plain_ones_in_the_cache(
    shards: Path, remote: str, cache_folder: Path
) -> None:
    path = shards / "shard-000001.tar"
    packed = shards / "packed.tar.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    fsspec.filesystem("memory").put(str(packed), "/remote/packed.tar.gz")
    urls = [
        f"{remote}/shard-000001.tar",
        f"{remote}/packed.tar.gz",
        str(packed),
        f"pipe:cat {path}",
        f"pipe:cat {packed}",
    ]
    for url in urls:
        found = on_disk(Shard(url))
        assert found.parent == cache_folder / "shards" and found.read_bytes() == path.read_bytes()
        state = found.stat()
        assert on_disk(Shard(url)).stat() == state
    assert len([*(cache_folder / "shards").glob("*.shard")]) == len(urls)
    assert not [*(cache_folder / "shards").glob("*.part")]


@pytest.mark.parametrize(
    "facts, why", [({"size": 7}, "bytes instead of 7"), ({"md5": "0" * 32}, "its MD5 is not that of the index")]
)
def test_what_is_not_as_the_index_says_is_damaged(
    facts: dict[str, object], why: str, remote: str, cache_folder: Path
) -> None:
    with pytest.raises(BadShard, match=rf"the shard `{remote}/shard-000001.tar` is damaged: .*{why}"):
        on_disk(Shard(f"{remote}/shard-000001.tar", **facts))  # type: ignore[arg-type]
    assert not [*(cache_folder / "shards").glob("*.shard")]


def test_missing_shards_and_failing_commands_are_named(remote: str, tmp_path: Path) -> None:
    for url, why in (
        (f"{remote}/no.tar", "is missing"),
        (str(tmp_path / "no.tar"), "is missing"),
        ("pipe:exit 3", "the command ended with 3"),
        ("nothing://x.tar", "cannot be read: Protocol not known"),
    ):
        with pytest.raises(BadShard) as raised:
            on_disk(Shard(url))
        assert url in str(raised.value) and why in str(raised.value) and "\n" not in str(raised.value)


def test_a_fetch_that_fails_is_tried_again(tmp_path: Path, shards: Path, caplog: pytest.LogCaptureFixture) -> None:
    tries, path = tmp_path / "tries", shards / "shard-000000.tar"
    command = f"pipe:echo x >> {tries}; test $(wc -l < {tries}) -ge 3 && cat {path}"
    assert on_disk(Shard(command)).read_bytes() == path.read_bytes()
    assert len(tries.read_text().split()) == 3 and caplog.text.count("the next attempt follows") == 2


def test_a_damaged_compressed_shard_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(os.urandom(1000))[:500])
    with pytest.raises(BadShard, match=r"cannot be unpacked: .*; is the file complete"):
        on_disk(Shard(str(tmp_path / "a.tar.gz")))


def test_the_cache_keeps_what_was_used_last(remote: str, shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = (shards / "shard-000000.tar").stat().st_size
    monkeypatch.setenv("GRAPHSSL_SHARDS_GB", str(3.5 * size / 2**30))
    kept = []
    for number in range(3):
        kept.append(on_disk(Shard(f"{remote}/shard-00000{number}.tar")))
        os.utime(kept[-1], (number, number))
    on_disk(Shard(f"{remote}/shard-000000.tar"))  # used again
    on_disk(Shard(f"{remote}/shard-000003.tar"))
    assert [path.exists() for path in kept] == [True, False, True]
    monkeypatch.setenv("GRAPHSSL_SHARDS_GB", "much")
    with pytest.raises(DataError, match="GRAPHSSL_SHARDS_GB is a number of gigabytes, got `much`"):
        on_disk(Shard(f"{remote}/shard-000004.tar"))


def test_a_full_disk_is_no_damaged_shard(remote: str, monkeypatch: pytest.MonkeyPatch, cache_folder: Path) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: os.terminal_size((0, 0)) and type("Usage", (), {"free": 0}))
    with pytest.raises(DataError, match=r"does not fit on the disk of .*; set GRAPHSSL_CACHE") as raised:
        on_disk(Shard(f"{remote}/shard-000000.tar"))
    assert not isinstance(raised.value, BadShard) and not [*(cache_folder / "shards").glob("*.shard")]


def test_processes_of_a_machine_fetch_a_shard_once(shards: Path, tmp_path: Path) -> None:
    tries = tmp_path / "tries"
    shard = Shard(f"pipe:echo x >> {tries}; sleep 0.2; cat {shards / 'shard-000000.tar'}")
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=on_disk, args=(shard,)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert tries.read_text() == "x\n"
