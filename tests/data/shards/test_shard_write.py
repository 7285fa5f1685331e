"""Shards hold what the source holds, as it was encoded; a killed command goes on, and nothing else is ever touched."""

from __future__ import annotations

import errno
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from graphssl.cli import main
from graphssl.data import shard_sampler
from graphssl.data.errors import DataError
from graphssl.data.shards import write
from graphssl.data.shards.write import write_shards
from graphssl.data.sources import ImageSource, open_data


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_encoded_images_stay_as_they_are(class_folder: Path, tmp_path: Path, write_image: Callable[..., None]) -> None:
    write_image(class_folder / "cat" / "photo.JPEG", 7)
    source = open_data(str(class_folder))
    write_shards(source, tmp_path / "out", images=6, shuffle=None)
    files: dict[str, bytes] = {}
    for path in sorted((tmp_path / "out").glob("*.tar")):
        with tarfile.open(path) as tar:
            files |= {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    assert files["000000003.png"] == Path(source.describe(3)).read_bytes() and files["000000003.cls"] == b"0"
    assert files["000000005.jpg"] == (class_folder / "cat" / "photo.JPEG").read_bytes()
    assert len(files) == 22 and open_data(f"wds:{tmp_path / 'out'}").classes == ("cat", "dog")


def test_shards_are_shuffled_by_a_seed_and_the_same_for_any_number_of_workers(
    small: ImageSource, tmp_path: Path
) -> None:
    found = []
    for number, options in enumerate(({"shuffle": 1}, {"shuffle": 1, "workers": 2}, {"shuffle": 2}, {"shuffle": None})):
        write_shards(small, tmp_path / str(number), images=7, **options)  # type: ignore[arg-type]
        found.append(contents(tmp_path / str(number)))
    assert found[0] == found[1] and found[0] != found[2] and found[0] != found[3]
    source = open_data(f"wds:{tmp_path / '0'}")
    keys = [int(source.place(index).key) for index in range(20)]  # type: ignore[attr-defined]
    assert sorted(keys) == [*range(20)] != keys
    assert all(torch.equal(source.load(index), small.load(key)) for index, key in enumerate(keys))


def test_images_of_shards_are_written_some_shards_at_a_time(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_sampler, "WINDOW_SHARDS", 2)
    monkeypatch.setattr(shard_sampler, "WINDOW_IMAGES", 8)
    write_shards(open_data(f"wds:{shards}"), tmp_path / "again", images=8)
    source = open_data(f"wds:{tmp_path / 'again'}")
    keys = [int(source.place(index).key) for index in range(20)]  # type: ignore[attr-defined]
    assert sorted(keys) == [*range(20)] != keys and len({key // 4 for key in keys[:8]}) == 2


def test_a_killed_command_goes_on_to_the_same_bytes(
    small: ImageSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_shards(small, tmp_path / "whole", images=4)
    given, encoded = [], write.encoded

    def killed(source: ImageSource, index: int) -> tuple[bytes, str]:
        given.append(index)
        if len(given) == 11:
            raise KeyboardInterrupt
        return encoded(source, index)

    monkeypatch.setattr(write, "encoded", killed)
    with pytest.raises(KeyboardInterrupt):
        write_shards(small, tmp_path / "parts", images=4)
    assert [path.name for path in sorted((tmp_path / "parts").glob("*.tar"))] == [
        "shard-000000.tar",
        "shard-000001.tar",
    ]
    (tmp_path / "parts" / ".shard-000002.tar.part").write_bytes(b"half")
    write_shards(small, tmp_path / "parts", images=4)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole") and len(given) == 11 + 12


def test_what_is_there_is_never_touched(small: ImageSource, shards: Path, tmp_path: Path) -> None:
    before = contents(shards)
    with pytest.raises(DataError, match="holds shards already"):
        write_shards(small, shards, images=4)
    (shards / "index.json").unlink()
    with pytest.raises(DataError, match="is not empty, and no shards were begun there"):
        write_shards(small, shards, images=4)
    assert contents(shards) == {name: data for name, data in before.items() if name != "index.json"}


def test_other_images_or_options_do_not_go_on_with_what_was_begun(
    small: ImageSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(write, "_finish", _fails)
        with pytest.raises(RuntimeError):
            write_shards(small, tmp_path / "out", images=10)
    for source, options in (
        (small, {"images": 5}),
        (small, {"images": 10, "shuffle": 3}),
        (open_data("shapes:16,30"), {"images": 10}),
    ):
        with pytest.raises(DataError, match="was begun with other images or options"):
            write_shards(source, tmp_path / "out", **options)  # type: ignore[arg-type]
    assert write_shards(small, tmp_path / "out", images=10).shards == 2


def _fails(*_: Any) -> Any:
    raise RuntimeError


def test_a_full_disk_is_one_sentence_and_what_is_whole_stays(
    small: ImageSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, add = [], write.add_member

    def full(*arguments: Any) -> None:
        given.append(arguments)
        if len(given) == 13:
            raise OSError(errno.ENOSPC, "No space left on device")
        add(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(write, "add_member", full)
        with pytest.raises(
            DataError, match=r"no space left on device; the shards that are there stay, and the same command goes on"
        ):
            write_shards(small, tmp_path / "out", images=4)
    assert [path.name for path in (tmp_path / "out").iterdir() if path.suffix != ".json"] == ["shard-000000.tar"]
    assert write_shards(small, tmp_path / "out", images=4).images == 20


def test_images_that_cannot_be_read_are_left_out_and_counted(
    class_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (class_folder / "cat" / "0.png").write_bytes(b"no image")
    written = write_shards(open_data(str(class_folder)), tmp_path / "out", images=4)
    assert (written.images, written.left_out) == (9, 1) and "cat/0.png` is not an image" in caplog.text
    assert len(open_data(f"wds:{tmp_path / 'out'}")) == 9


def test_shards_are_about_as_large_as_asked(small: ImageSource, tmp_path: Path) -> None:
    write_shards(small, tmp_path / "out", size_mb=0.02)
    sizes = [path.stat().st_size for path in sorted((tmp_path / "out").glob("*.tar"))]
    assert len(sizes) > 2 and 0.6 < sizes[0] / (0.02 * 2**20) < 1.8


def test_the_command_writes_a_split_and_says_how_it_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in ("train", "test"):
        assert main(["shard", "shapes:16,20", "-o", str(tmp_path / split), "--images", "8", "--split", split]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told == [
        f"20 images in 3 shards: --data wds:{tmp_path}/train",
        f"5 images in 1 shard: --data wds:{tmp_path}/test",
    ]
    assert [len(open_data(f"wds:{tmp_path}/{{split}}", split)) for split in ("train", "test")] == [20, 5]
    assert sorted(path.name for path in (tmp_path / "test").iterdir()) == ["index.json", "shard-000000.tar"]
    assert main(["shard", "shapes:16,20", "-o", str(tmp_path / "train")]) == 2
    assert main(["shard", "shapes:16,20", "-o", str(tmp_path / "x"), "--images", "0"]) == 2


def test_a_folder_that_another_process_writes_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    code = "import sys, time; from pathlib import Path; from graphssl.runtime.lock import Lock; Lock(Path(sys.argv[1])).acquire(); print(flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "out" / ".lock")], stdout=subprocess.PIPE
    ) as other:
        other.stdout.readline()  # type: ignore[union-attr]
        assert main(["shard", "shapes:16,20", "-o", str(tmp_path / "out")]) == 2
        other.kill()
    assert "is being written by process" in capsys.readouterr().err
    assert main(["shard", "shapes:16,20", "-o", str(tmp_path / "out")]) == 0
