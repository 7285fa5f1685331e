from __future__ import annotations

import io
import os
import pickle
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import graphssl.data.decode as decoding
from graphssl.data.errors import BadImage, DataError, NoSplit
from graphssl.data.sources import open_data

Write = Callable[..., None]


def _packed(folder: Path, name: str) -> Path:
    archive = folder.parent / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            for path in sorted(folder.rglob("*"), reverse=True):
                file.write(path, path.relative_to(folder.parent))
    else:
        with tarfile.open(archive, "w" if name.endswith(".tar") else f"w:{name.rpartition('.')[2]}") as file:
            file.add(folder, folder.name)
    return archive


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRAPHSSL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_class_folders_give_sorted_classes_and_files(class_folder: Path) -> None:
    source = open_data(str(class_folder))
    assert source.name == str(class_folder) and source.classes == ("cat", "dog") and len(source) == 10
    assert [source.label(i) for i in range(10)] == [0] * 5 + [1] * 5
    assert source.describe(6) == str(class_folder / "dog" / "1.png")
    image = source.load(6)
    assert image.shape == (3, 20, 24) and image.dtype == torch.uint8 and image.is_contiguous()


def test_a_flat_folder_or_a_single_class_has_no_labels(tmp_path: Path, write_image: Write) -> None:
    for name in ("b.JPG", "a.jpeg", "c.png"):
        write_image(tmp_path / "photos" / name)
    for root in (tmp_path / "photos", tmp_path):
        source = open_data(str(root))
        assert source.classes == () and [source.label(i) for i in range(3)] == [-1] * 3
        assert [Path(source.describe(i)).name for i in range(3)] == ["a.jpeg", "b.JPG", "c.png"]


@pytest.mark.parametrize("held_out", ["test", "val"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_train_and_test_folders_are_the_splits(
    tmp_path: Path, write_image: Write, held_out: str, wrapped: bool
) -> None:
    root = tmp_path / "set" / ("inner" if wrapped else "")
    for split, count in (("train", 3), (held_out, 2)):
        for label in ("x", "y"):
            for number in range(count):
                write_image(root / split / label / f"{number}.png", number)
    train, test = open_data(str(tmp_path / "set")), open_data(str(tmp_path / "set"), "test")
    assert len(train) == 6 and len(test) == 4 and train.classes == test.classes == ("x", "y")
    assert f"{os.sep}{held_out}{os.sep}" in test.describe(0)


def test_a_missing_test_split_is_its_own_error(class_folder: Path, tmp_path: Path, write_image: Write) -> None:
    with pytest.raises(NoSplit, match="has no test images; put them in a folder `test`"):
        open_data(str(class_folder), "test")
    write_image(tmp_path / "half" / "train" / "x" / "0.png")
    with pytest.raises(NoSplit, match="has a folder `train` but neither `test` nor `val`"):
        open_data(str(tmp_path / "half"), "test")
    assert len(open_data(str(tmp_path / "half"))) == 1


def test_what_does_not_exist_is_named_with_the_closest_name(class_folder: Path) -> None:
    with pytest.raises(DataError, match=r"`.*/pest` does not exist; the closest name there is `.*/pets`; expected"):
        open_data(str(class_folder.parent / "pest"))
    with pytest.raises(DataError, match="does not exist"):
        open_data("shape")


def test_unusable_places_are_refused_in_words(tmp_path: Path, class_folder: Path, write_image: Write) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"`.*empty` holds no images; looked for files ending in \.bmp"):
        open_data(str(tmp_path / "empty"))
    with pytest.raises(DataError, match="neither a folder nor an archive"):
        open_data(str(class_folder / "cat" / "notes.txt"))
    write_image(class_folder / "stray.png")
    with pytest.raises(DataError, match="holds 1 images beside the folder `cat`"):
        open_data(str(class_folder))
    with pytest.raises(DataError, match="`wds:shards` names no shards: none is there"):
        open_data("wds:shards")


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_links_between_folders_are_followed_but_never_in_circles(class_folder: Path) -> None:
    (class_folder / "cat" / "loop").symlink_to(class_folder)
    (class_folder / "fox").symlink_to(class_folder / "dog")
    source = open_data(str(class_folder))
    assert len(source) == 15 and source.classes == ("cat", "dog", "fox")


@pytest.mark.parametrize("name", ["pets.zip", "pets.tar", "pets.tar.gz", "pets.tar.xz", "pets.tar.bz2"])
def test_archives_hold_what_the_folder_holds(class_folder: Path, name: str) -> None:
    folder, archive = open_data(str(class_folder)), open_data(str(_packed(class_folder, name)))
    assert len(archive) == len(folder) and archive.classes == folder.classes
    copy = pickle.loads(pickle.dumps(archive))
    for index in range(len(folder)):
        assert torch.equal(archive.load(index), folder.load(index)) and archive.label(index) == folder.label(index)
        assert Path(archive.describe(index)).parts[-2:] == Path(folder.describe(index)).parts[-2:]
        assert torch.equal(copy.load(index), folder.load(index))


def test_a_compressed_tar_is_unpacked_once_and_again_when_it_changes(class_folder: Path, cache_folder: Path) -> None:
    archive = _packed(class_folder, "pets.tar.gz")
    open_data(str(archive))
    (unpacked,) = (cache_folder / "archives").iterdir()
    (unpacked / "pets" / "cat" / "0.png").write_bytes(b"mark")
    assert Path(open_data(str(archive)).describe(0)).read_bytes() == b"mark"
    os.utime(archive, ns=(1, 1))
    assert Path(open_data(str(archive)).describe(0)).read_bytes() != b"mark"
    assert len(list((cache_folder / "archives").iterdir())) == 2


def _tar_with(path: Path, **members: tarfile.TarInfo) -> Path:
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    with tarfile.open(path, "w:gz") as file:
        for member in members.values():
            member.size = len(picture.getvalue()) if member.isreg() else 0
            file.addfile(member, io.BytesIO(picture.getvalue()) if member.isreg() else None)
    return path


@pytest.mark.parametrize("name", ["../../evil.png", "/tmp/graphssl-evil.png", "a/../../evil.png"])
def test_an_archive_cannot_write_outside_its_folder(tmp_path: Path, cache_folder: Path, name: str) -> None:
    archive = _tar_with(tmp_path / "evil.tar.gz", good=tarfile.TarInfo("good.png"), bad=tarfile.TarInfo(name))
    with pytest.raises(DataError, match="lies outside the archive; do not trust it"):
        open_data(str(archive))
    assert not list(tmp_path.rglob("*evil.png")) and not Path("/tmp/graphssl-evil.png").exists()
    assert not list((cache_folder / "archives").iterdir())


def test_links_in_an_archive_are_passed_over(tmp_path: Path, cache_folder: Path) -> None:
    link, hard = tarfile.TarInfo("link.png"), tarfile.TarInfo("hard.png")
    link.type, link.linkname, hard.type, hard.linkname = tarfile.SYMTYPE, "/etc/passwd", tarfile.LNKTYPE, "good.png"
    archive = _tar_with(tmp_path / "links.tar.gz", good=tarfile.TarInfo("good.png"), link=link, hard=hard)
    assert len(open_data(str(archive))) == 1
    assert [path.name for path in cache_folder.rglob("*.png")] == ["good.png"]


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x.tar.xz"])
def test_a_damaged_archive_is_refused_and_leaves_nothing_behind(
    class_folder: Path, cache_folder: Path, name: str
) -> None:
    data = _packed(class_folder, name).read_bytes()
    for damaged in (b"", b"not an archive", data[: len(data) // 2]):
        archive = class_folder.parent / f"damaged{name[1:]}"
        archive.write_bytes(damaged)
        if name == "x.tar" and damaged.startswith(data[:100]):  # it still holds the images before the cut
            assert len(open_data(str(archive))) < 10
            continue
        with pytest.raises(DataError, match=f"{name[1:]}` "):
            open_data(str(archive))
    assert not (cache_folder / "archives").exists() or not list((cache_folder / "archives").iterdir())


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16", "F"])
def test_every_kind_of_picture_becomes_rgb(tmp_path: Path, mode: str) -> None:
    ramp = np.linspace(0, 255, 64, dtype=np.uint8).reshape(8, 8)
    if mode == "I;16":
        image = Image.fromarray(ramp.astype(np.uint16) * 257)
    elif mode == "F":
        image = Image.fromarray(ramp.astype(np.float32))
    else:
        image = Image.fromarray(np.stack([ramp] * 3, axis=-1)).convert(mode)
    path = tmp_path / f"x.{'tif' if mode in ('F', 'CMYK') else 'png'}"
    image.save(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out = open_data(str(tmp_path)).load(0)
    assert out.shape == (3, 8, 8) and out.dtype == torch.uint8
    if mode not in ("1", "P"):
        assert (out.float() - torch.from_numpy(ramp).float()).abs().max() <= 1


def test_jpegs_decode_as_pillow_decodes_them(tmp_path: Path) -> None:
    ramp = torch.rand(3, 5, 6, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(ramp[None], (50, 61), mode="bicubic")[0].clamp(0, 1)
    image = Image.fromarray((smooth * 255).byte().permute(1, 2, 0).numpy())
    for number, how in enumerate(({}, {"progressive": True}, {"quality": 50, "subsampling": 2})):
        image.save(tmp_path / f"{number}.jpg", **how)
    image.convert("L").save(tmp_path / "3.jpg")
    image.convert("CMYK").save(tmp_path / "4.jpg")
    source = open_data(str(tmp_path))
    for index in range(5):
        pillow = torch.from_numpy(np.array(Image.open(source.describe(index)).convert("RGB"))).permute(2, 0, 1)
        assert (source.load(index).int() - pillow.int()).abs().max() <= 3


def test_bad_images_say_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_image: Write) -> None:
    write_image(tmp_path / "whole.jpg", 1, (64, 64))
    write_image(tmp_path / "whole.png", 1, (64, 64))
    jpeg, png = ((tmp_path / f"whole.{kind}").read_bytes() for kind in ("jpg", "png"))
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "half.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (tmp_path / "half.png").write_bytes(png[: len(png) // 2])
    (tmp_path / "text.png").write_text("<html>not found</html>")
    write_image(tmp_path / "vast.png", 1, (400, 400))
    monkeypatch.setattr(decoding, "MAX_PIXELS", 100_000)
    source = open_data(str(tmp_path))
    reasons = {}
    for index in range(len(source)):
        name = Path(source.describe(index)).name
        if name.startswith("whole"):
            assert source.load(index).shape == (3, 64, 64)
            continue
        with pytest.raises(BadImage) as caught:
            source.load(index)
        assert caught.value.path == source.describe(index)
        reasons[name] = caught.value.reason
    assert reasons["empty.jpg"] == "is empty" and reasons["text.png"] == "is not an image in a known format"
    assert reasons["vast.png"] == "has 400 x 400 pixels, more than 100,000"
    assert "truncated" in reasons["half.jpg"] and reasons["half.png"].startswith("cannot be decoded")
    assert len(reasons) == 5


def test_a_decompression_bomb_is_refused_from_its_header(tmp_path: Path) -> None:
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(bomb)
    with pytest.raises(BadImage, match="more than 100,000,000"):
        open_data(str(tmp_path)).load(0)


def test_damaged_members_of_archives_are_bad_images(class_folder: Path) -> None:
    (class_folder / "cat" / "0.png").write_bytes(b"")
    for name in ("pets.zip", "pets.tar", "pets.tar.gz"):
        with pytest.raises(BadImage, match=r"cat/0\.png` is empty"):
            open_data(str(_packed(class_folder, name))).load(0)
    archive = _packed(class_folder, "pets.zip")
    data = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as file:
        start = file.getinfo("pets/cat/1.png").header_offset
    data[start + 60 : start + 200] = bytes(140)
    archive.write_bytes(data)
    with pytest.raises(BadImage, match=r"cat/1\.png` cannot be read from the archive"):
        open_data(str(archive)).load(1)


def test_torchvision_names_are_checked_and_missing_networks_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="cannot download a data set `CIFAR`; the closest it can: `torchvision:CIFAR10"):
        open_data("torchvision:CIFAR")
    import torchvision.datasets

    class NoNetwork(torchvision.datasets.CIFAR10):
        def download(self) -> None:
            raise OSError("name resolution failed")

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", NoNetwork)
    with pytest.raises(DataError, match=r"cannot be downloaded to .*: name resolution failed; check the network"):
        open_data("torchvision:CIFAR10")


def test_a_torchvision_data_set_gives_images_and_labels(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import torchvision.datasets

    class Tiny:
        classes = ("a", "b")

        def __init__(self, root: str, train: bool = True, download: bool = False) -> None:
            print("downloading")
            self.targets = [0, 1, 1] if train else [1]

        def __len__(self) -> int:
            return len(self.targets)

        def __getitem__(self, index: int) -> tuple[Image.Image, int]:
            return Image.new("L", (5, 4), 7 * index), self.targets[index]

    monkeypatch.setattr(torchvision.datasets, "MNIST", Tiny)
    train, test = open_data("torchvision:MNIST"), open_data("torchvision:MNIST", "test")
    assert (len(train), len(test), train.classes, train.label(2)) == (3, 1, ("a", "b"), 1)
    assert train.load(2).shape == (3, 4, 5) and train.load(2).eq(14).all()
    assert capsys.readouterr().out == ""
