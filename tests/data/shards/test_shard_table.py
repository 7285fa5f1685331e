"""Samples are found as WebDataset finds them, and a shard that is not whole is never read as a shorter one."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from graphssl.data.errors import BadShard
from graphssl.data.shards.fetch import Shard
from graphssl.data.shards.table import Recent, recent, scan, table_of

WriteTar = Callable[..., Path]


def test_a_sample_is_neighbours_up_to_the_first_dot(write_tar: WriteTar) -> None:
    path = write_tar(
        "a.tar",
        ("./x/1.cls", b"3"), ("./x/1.jpg", b"one"), ("./x/1.seg.png", b"mask"), ("./x/2.jpg", b"two"), ("./x/2.json", b'{"label": 4}'),
        ("./y.v/2.JPG", b"three"), ("./y.v/2.json", b'{"cls": 5, "a": 1}'), ("z.txt", b"no image"), ("w.jpg", b"four"), ("w.cls", b"cat"),
        ("v.webp", b""), ("v.json", b"[1]"), ("__meta__/a.jpg", b"shown"),
    )  # fmt: skip
    table = scan(path, "a")
    assert [table.names[row] for row in table.rows] == [
        "x/1.jpg",
        "x/2.jpg",
        "y.v/2.JPG",
        "w.jpg",
        "v.webp",
        "__meta__/a.jpg",
    ]
    assert [int(table.labels[row]) for row in table.rows] == [3, 4, 5, -1, -1, -1]
    assert table.passed_over == 1 and len(table) == 6 and len(table.names) == 7
    data = path.read_bytes()
    assert data[table.offsets[0] : table.offsets[0] + table.sizes[0]] == b"one"
    assert table.by_name["x/1"] == 0 and table.by_name["x/1.seg.png"] == 1


def test_it_finds_what_the_library_finds(shards: Path) -> None:
    tariterators = pytest.importorskip("webdataset.tariterators")
    path = shards / "shard-000000.tar"
    with path.open("rb") as stream:
        files = tariterators.tar_file_expander([{"url": "x", "stream": stream}])
        samples = [*tariterators.group_by_keys(files)]
    theirs = [(sample["__key__"], int(sample["cls"]), sample["png"]) for sample in samples]
    table, data = scan(path, "x"), path.read_bytes()
    ours = [
        (table.names[row].removesuffix(".png"), int(table.labels[row]), data[table.offsets[row] :][: table.sizes[row]])
        for row in table.rows
    ]
    assert ours == theirs and len(ours) == 4


def test_a_table_is_read_once_and_anew_when_the_shard_changes(
    shards: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = Shard(str(shards / "shard-000000.tar"))
    first = table_of(shard)
    recent.clear()
    with monkeypatch.context() as patch:
        patch.setattr("graphssl.data.shards.table.scan", None)
        again = table_of(shard)
    assert again.names == first.names and (again.offsets == first.offsets).all() and (again.rows == first.rows).all()
    (shards / "shard-000001.tar").replace(shards / "shard-000000.tar")
    recent.clear()
    assert table_of(shard).names != first.names
    for file in (cache_folder / "shards").glob("*.table"):
        file.write_bytes(b"damaged")
    recent.clear()
    assert len(table_of(shard)) == 4


def test_every_cut_is_noticed(shards: Path, tmp_path: Path) -> None:
    whole, cut = (shards / "shard-000000.tar").read_bytes(), tmp_path / "cut.tar"
    end = scan(shards / "shard-000000.tar", "x")
    last = int(end.offsets[-1] + end.sizes[-1])
    for length in (0, 100, 512, 700, last // 2, last - 1, last, last + 511):
        cut.write_bytes(whole[:length])
        with pytest.raises(BadShard, match="the shard `cut` is damaged"):
            scan(cut, "cut")


def test_a_damaged_header_does_not_end_the_shard_early(shards: Path, tmp_path: Path) -> None:
    path = shards / "shard-000000.tar"
    data, table = io.BytesIO(path.read_bytes()), scan(path, "x")
    data.seek(int(table.offsets[2]) - 512 + 148)
    data.write(b"garbage")
    (tmp_path / "cut.tar").write_bytes(data.getvalue())
    with pytest.raises(BadShard, match="a header in it is damaged"):
        scan(tmp_path / "cut.tar", "cut")


def test_tables_of_so_many_images_stay_in_memory(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr(
        "graphssl.data.shards.table._made", lambda shard: read.append(shard.url[-5:-4]) or scan(Path(shard.url), "x")
    )
    kept = Recent(images=10)
    for number in (0, 1, 0, 2, 0, 1):
        kept.get(Shard(str(shards / f"shard-00000{number}.tar")))
    assert read == ["0", "1", "2", "1"]
