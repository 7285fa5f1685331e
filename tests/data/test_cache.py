"""Decoded images kept: in memory, and on disk from run to run, whatever happens to the files meanwhile."""

from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from graphssl.data import disk
from graphssl.data.cache import kept
from graphssl.data.disk import OnDisk
from graphssl.data.sources import BadImage, DataError, ImageSource, cached, open_data
from graphssl.data.subset import balanced_share

SHAPES = [(4, 4), (5, 4), (40, 70), (4, 4), (1, 9)]


class Counting:
    """Counts how often each image is decoded."""

    name, classes = "counting", ()

    def __init__(self, shapes: list[tuple[int, int]]) -> None:
        self.shapes, self.loads = shapes, [0] * len(shapes)

    def __len__(self) -> int:
        return len(self.shapes)

    def label(self, index: int) -> int:
        return -1

    def describe(self, index: int) -> str:
        return str(index)

    def identity(self) -> Iterator[str]:
        yield f"counting {self.shapes}"

    def load(self, index: int) -> torch.Tensor:
        self.loads[index] += 1
        if self.shapes[index] == (0, 0):
            raise BadImage(str(index), "is bad")
        return torch.full((3, *self.shapes[index]), index, dtype=torch.uint8)


def test_the_cache_decodes_equally_sized_images_once() -> None:
    inner = Counting([(0, 0), (4, 4), (4, 4), (5, 4), (4, 4)])
    source = cached(inner, 5 * 48)
    loads = list(inner.loads)
    for _ in range(3):
        assert [source.load(i)[0, 0, 0].item() for i in range(1, 5)] == [1, 2, 3, 4]
    assert [after - before for before, after in zip(loads, inner.loads, strict=True)] == [0, 1, 1, 3, 1]
    with pytest.raises(BadImage):
        source.load(0)
    assert pickle.loads(pickle.dumps(source)).load(3).shape == (3, 5, 4)


def test_the_cache_stands_aside_when_the_set_does_not_fit() -> None:
    inner = Counting([(4, 4)] * 5)
    assert cached(inner, 5 * 48 - 1) is inner
    bad = Counting([(0, 0)] * 5)
    assert cached(bad, 1000) is bad


def pixels_of(source: ImageSource) -> list[torch.Tensor]:
    return [source.load(index) for index in range(len(source))]


def same(some: list[torch.Tensor], others: list[torch.Tensor]) -> bool:
    return len(some) == len(others) and all(torch.equal(a, b) for a, b in zip(some, others, strict=True))


def test_the_next_run_decodes_nothing(tmp_path: Path) -> None:
    first = Counting(SHAPES)
    assert same(pixels_of(OnDisk(first, tmp_path)), pixels_of(Counting(SHAPES))) and first.loads == [1] * 5
    second = Counting(SHAPES)
    source = pickle.loads(pickle.dumps(OnDisk(second, tmp_path)))
    assert same(pixels_of(source), pixels_of(Counting(SHAPES))) and second.loads == [0] * 5


def test_photos_come_from_disk_as_they_are_decoded(class_folder: Path, tmp_path: Path) -> None:
    source = open_data(str(class_folder))
    (class_folder / "cat" / "2.png").write_bytes(b"")
    for run in range(2):
        on_disk = kept(source, "disk", limit_bytes=0, folder=tmp_path / "kept")
        good = [index for index in range(10) if index != 2]
        assert same([on_disk.load(index) for index in good], [source.load(index) for index in good]), run
        with pytest.raises(BadImage, match="is empty"):
            on_disk.load(2)
        assert (on_disk.label(7), on_disk.describe(7)) == (1, source.describe(7))


def cut_short(folder: Path) -> None:
    for name in ("index", "pixels"):
        os.truncate(folder / name, (folder / name).stat().st_size // 2)


def without_pixels(folder: Path) -> None:
    (folder / "pixels").write_bytes(b"")


def one_bit_is_wrong(folder: Path) -> None:
    data = bytearray((folder / "pixels").read_bytes())
    data[50] ^= 1  # of the second image
    (folder / "pixels").write_bytes(data)


def noise(folder: Path) -> None:
    for name in ("index", "pixels"):
        (folder / name).write_bytes(torch.randint(256, (5000,), dtype=torch.uint8).numpy().tobytes())


def huge(folder: Path) -> None:
    (folder / "index").write_bytes(b"\xff" * 200)


def of_another_data_set(folder: Path) -> None:
    other = Counting([(7, 7)] * 5)
    pixels_of(OnDisk(other, folder.parents[1] / "others"))
    (theirs,) = (folder.parents[1] / "others").iterdir()
    shutil.copytree(theirs, folder, dirs_exist_ok=True)


def in_another_order(folder: Path) -> None:
    data = (folder / "index").read_bytes()
    size = len(data) // 5
    (folder / "index").write_bytes(data[3 * size : 4 * size] + data[size:])  # the first is the fourth, of the same size


@pytest.mark.parametrize(
    ("damage", "decoded"),
    [
        (cut_short, [0, 0, 1, 1, 1]),
        (without_pixels, [1] * 5),
        (one_bit_is_wrong, [0, 1, 0, 0, 0]),
        (noise, [1] * 5),
        (huge, [1] * 5),
        (of_another_data_set, [1] * 5),
        (in_another_order, [1, 0, 0, 0, 0]),
    ],
)
def test_what_is_damaged_or_foreign_is_decoded_again(
    damage: Callable[[Path], None], decoded: list[int], tmp_path: Path
) -> None:
    home = tmp_path / "kept"
    pixels_of(OnDisk(Counting(SHAPES), home))
    (folder,) = home.iterdir()
    damage(folder)
    inner = Counting(SHAPES)
    assert same(pixels_of(OnDisk(inner, home)), pixels_of(Counting(SHAPES))) and inner.loads == decoded
    healed = Counting(SHAPES)
    assert same(pixels_of(OnDisk(healed, home)), pixels_of(Counting(SHAPES))) and healed.loads == [0] * 5


def _write_often(home: Path, begin: int) -> None:
    for start in range(40):
        source = OnDisk(Counting([(9, 30 + i) for i in range(40)]), home)
        source.load((begin + 7 * start) % 40)


def test_runs_that_write_at_once_do_each_other_no_harm(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    runs = [context.Process(target=_write_often, args=(tmp_path, begin)) for begin in (0, 1, 20)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [run.exitcode for run in runs] == [0] * 3
    inner = Counting([(9, 30 + i) for i in range(40)])
    assert same(pixels_of(OnDisk(inner, tmp_path)), pixels_of(Counting(inner.shapes))) and not any(inner.loads)


def test_a_data_set_that_changed_is_another_one(class_folder: Path, tmp_path: Path) -> None:
    def folder() -> Path:
        before = set(tmp_path.glob("kept/*"))
        OnDisk(open_data(str(class_folder)), tmp_path / "kept")
        return next(iter({*tmp_path.glob("kept/*")} - before), tmp_path)

    assert folder() != tmp_path and folder() == tmp_path
    shutil.copy(class_folder / "cat" / "1.png", class_folder / "cat" / "0.png")
    assert folder() != tmp_path
    (class_folder / "dog" / "4.png").unlink()
    assert folder() != tmp_path
    shutil.copy(class_folder / "cat" / "1.png", class_folder / "cat" / "9.png")
    assert folder() != tmp_path and folder() == tmp_path


def test_splits_and_parts_of_data_are_told_apart(class_folder: Path) -> None:
    shutil.copytree(class_folder / "cat", class_folder / "pets" / "train")
    shutil.copytree(class_folder / "cat", class_folder / "pets" / "test")
    shutil.make_archive(str(class_folder / "zipped"), "zip", class_folder / "pets")
    shutil.make_archive(str(class_folder / "tarred"), "tar", class_folder / "pets")
    names = [str(class_folder / name) for name in ("pets", "zipped.zip", "tarred.tar")]
    opened = [(name, split) for name in (*names, "shapes:32,20", "shapes:32,10") for split in ("train", "test")]
    identities = [list(open_data(name, split).identity()) for name, split in opened]
    identities += [list(balanced_share(open_data(names[0]), share, seed=0).identity()) for share in (0.2, 0.6)]
    assert len({tuple(words) for words in identities}) == 12
    assert identities[:10] == [list(open_data(name, split).identity()) for name, split in opened]


def test_a_full_disk_is_told_once_and_the_rest_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    inner, write = Counting(SHAPES), os.write
    source = OnDisk(inner, tmp_path)
    source.load(0)

    def half(handle: int, data: memoryview) -> int:
        return write(handle, data[: len(data) // 2])

    monkeypatch.setattr(os, "write", half)
    assert same(pixels_of(source), pixels_of(Counting(SHAPES)))
    monkeypatch.setattr(os, "write", write)
    (said,) = [record.getMessage() for record in caplog.records]
    why = os.strerror(errno.ENOSPC).lower()
    assert said == f"no more decoded images are kept in `{tmp_path}`: {why}; the rest is decoded each time"
    again = Counting(SHAPES)
    assert same(pixels_of(OnDisk(again, tmp_path)), pixels_of(Counting(SHAPES))) and again.loads == [0, 1, 1, 1, 1]


def test_some_of_the_disk_is_left_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_KEEP_FREE", 1 << 60)
    inner = Counting(SHAPES)
    source = OnDisk(inner, tmp_path)
    for _ in range(2):
        pixels_of(source)
    assert inner.loads == [2] * 5 and not sum(path.stat().st_size for path in tmp_path.glob("*/*"))


def test_a_cache_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"^decoded images cannot be kept in `.*file`: .*; use another --cache-dir"):
        OnDisk(Counting(SHAPES), tmp_path / "file")
