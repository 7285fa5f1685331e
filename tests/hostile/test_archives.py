"""Archives write nowhere but into their folder, end when they do not, and their images are images; what the user is told."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import os
import random
import stat
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from graphssl.data import archive as archives
from graphssl.data.decode import decode
from graphssl.data.errors import BadImage, DataError
from graphssl.data.sources import open_data

MEGABYTE = 2**20


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRAPHSSL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def picture(size: tuple[int, int] = (8, 8), kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (10, 200, 30)).save(file, kind)
    return file.getvalue()


def header(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, **more: Any) -> bytes:
    """The 512 bytes in front of a member, whatever they claim."""
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    for key, value in more.items():
        setattr(member, key, value)
    return member.tobuf(tarfile.GNU_FORMAT, errors="surrogateescape")


def padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 512)


def of(*members: tuple[str, bytes]) -> bytes:
    """A tar of these files, as bytes."""
    return b"".join(header(name, len(data)) + padded(data) for name, data in members) + b"\0" * 1024


def written(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


GOOD = of(("good.png", picture()))
OUTSIDE = (
    "../evil.png", "a/../../evil.png", "/evil.png", "//evil.png", "./../evil.png", "a/b/../../../evil.png", "..",
    "../cache/archives/../../evil.png",
)  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("packed", [gzip.compress, lzma.compress, bz2.compress], ids=["gz", "xz", "bz2"])
def test_a_member_outside_is_refused_and_nothing_is_written(
    name: str, packed: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    text = written(tmp_path / "a.tar.gz", packed(of(("good.png", picture()), (name, picture()))))
    with pytest.raises(DataError, match="outside the archive; do not trust it"):
        open_data(text)
    assert not list(tmp_path.rglob("*.png")) and not Path("/evil.png").exists()


LINKS: dict[str, bytes] = {
    "a link to a secret": header("a.png", kind=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "a link up the tree": header("a.png", kind=tarfile.SYMTYPE, linkname="../../../x.png"),
    "a hard link to a secret": header("a.png", kind=tarfile.LNKTYPE, linkname="/etc/passwd"),
    "a hard link to another member": header("a.png", kind=tarfile.LNKTYPE, linkname="good.png"),
    "a pipe": header("a.png", kind=tarfile.FIFOTYPE),
    "a character device": header("a.png", kind=tarfile.CHRTYPE, devmajor=1, devminor=5),
    "a block device": header("a.png", kind=tarfile.BLKTYPE, devmajor=8, devminor=0),
    "a link to a folder, and a file in it": header("d", kind=tarfile.SYMTYPE, linkname="/tmp")
    + header("d/graphssl_evil.png", len(picture())) + padded(picture()),
    "a folder that is an image": header("a.png", kind=tarfile.DIRTYPE),
    "a file for the owner's group": header("b.txt", 0, mode=0o6777),
}  # fmt: skip


@pytest.mark.parametrize("name", LINKS)
def test_links_and_devices_are_never_made(name: str, tmp_path: Path, cache: Path) -> None:
    text = written(tmp_path / "a.tar.gz", gzip.compress(LINKS[name] + GOOD))
    try:
        source = open_data(text)
    except DataError:  # images at two depths are no layout
        source = ()
    made = [path for path in cache.rglob("*") if not path.is_dir()]
    assert all(stat.S_ISREG(path.lstat().st_mode) and path.lstat().st_nlink == 1 for path in made)
    assert {path.suffix for path in made} == {".png"} and not Path("/tmp/graphssl_evil.png").exists()
    for i in range(len(source)):
        source.load(i)


def test_files_are_unpacked_without_rights_that_were_claimed(tmp_path: Path, cache: Path) -> None:
    open_data(
        written(
            tmp_path / "a.tar.gz",
            gzip.compress(header("a.png", len(picture()), mode=0o6777, uid=0) + padded(picture())),
        )
    )
    (file,) = cache.rglob("*.png")
    assert not file.stat().st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IWOTH)


def peak(do: Callable[[], Any]) -> int:
    tracemalloc.start()
    try:
        do()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refused(text: str, message: str) -> int:
    """The bytes that it took to refuse an archive with a message."""

    def do() -> None:
        with pytest.raises(DataError, match=message):
            open_data(text)

    return peak(do)


def test_a_gigabyte_of_zeros_in_a_few_kilobytes_is_refused_from_its_header(tmp_path: Path, cache: Path) -> None:
    data = gzip.compress(header("zeros.png", 2**31 - 512) + bytes(MEGABYTE))
    assert len(data) < 5000
    assert refused(written(tmp_path / "a.tar.gz", data), "200 times its size, as no images do") < 50 * MEGABYTE
    assert not list(cache.rglob("*.png"))


def test_many_bombs_that_are_small_each_are_refused(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "ALWAYS", 10 * MEGABYTE)
    data = gzip.compress(b"".join(header(f"{i}.png", MEGABYTE) + bytes(MEGABYTE) for i in range(20)))
    assert refused(written(tmp_path / "a.tar.gz", data), "200 times its size") < 20 * MEGABYTE
    assert not list(cache.rglob("*.png"))


def test_a_bomb_that_is_no_image_is_refused_too(tmp_path: Path) -> None:
    data = gzip.compress(header("zeros.bin", 2**40) + bytes(MEGABYTE))
    refused(written(tmp_path / "a.tar.gz", data), "200 times its size")


def test_a_million_empty_members_are_refused_without_keeping_them(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "ALWAYS", 4 * MEGABYTE)  # little of the real one, for little of the time
    data = gzip.compress(b"".join(header(f"{i}.txt") for i in range(20_000)))
    assert refused(written(tmp_path / "a.tar.gz", data), "200 times its size") < 5 * MEGABYTE


def test_members_of_a_plain_tar_are_not_kept(tmp_path: Path) -> None:
    many = b"".join(header(f"{i}.txt") for i in range(2_000))
    text = written(tmp_path / "a.tar", many + GOOD)
    assert peak(lambda: open_data(text)) < MEGABYTE


ENDLESS: dict[str, bytes] = {
    "a name of eight gigabytes": header("././@LongLink", 2**33 - 1, b"L") + bytes(4 * MEGABYTE),
    "a link of eight gigabytes": header("././@LongLink", 2**33 - 1, b"K") + bytes(4 * MEGABYTE),
    "facts of eight gigabytes": header("x", 2**33 - 1, tarfile.XHDTYPE) + bytes(4 * MEGABYTE),
    "facts for all of eight gigabytes": header("x", 2**33 - 1, tarfile.XGLTYPE) + bytes(4 * MEGABYTE),
    "a name of a negative length": header("././@LongLink", 0, b"L")[:124] + b"\xff" * 12 + header("x", 0, b"L")[136:],
    "facts of no length": header("x", 512, tarfile.XHDTYPE) + padded(b"0 path=x\n"),
    "facts that are no number": header("x", 512, tarfile.XHDTYPE) + padded(b"99999999999999999999 path=x\n"),
    "facts with a negative size": header("x", 512, tarfile.XHDTYPE) + padded(b"17 size=-1000000\n") + header("a.png", 8),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDLESS)
@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_headers_that_claim_much_take_little(name: str, suffix: str, tmp_path: Path) -> None:
    data = ENDLESS[name]
    text = written(tmp_path / f"a{suffix}", gzip.compress(data) if suffix == ".tar.gz" else data)

    def opened() -> None:
        with pytest.raises(DataError):
            open_data(text)

    assert peak(opened) < 20 * MEGABYTE


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_a_member_of_a_negative_size_ends(suffix: str, tmp_path: Path) -> None:
    size = b"\xff" * 12  # minus one, in base 256
    head = bytearray(header("a.png"))
    head[124:136], head[148:156] = size, b" " * 8
    head[148:156] = f"{sum(head):06o}\0 ".encode()
    data = bytes(head) + GOOD
    refused(
        written(tmp_path / f"a{suffix}", gzip.compress(data) if suffix == ".tar.gz" else data),
        "cannot be read as a tar",
    )


NAMES = (
    "a\nb.png",
    "\x1b[2J.png",
    "\u202egnp.png",
    "a" * 90 + ".png",
    "é.png",
    "\udcff.png",
    "a\\..\\b.png",
    "C:/x.png",
    "con.png",
    " .png",
)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_odd_names_are_names(name: str, tmp_path: Path) -> None:
    text = written(tmp_path / "a.tar", of((name, picture())))
    source = open_data(text)
    assert source.load(0).shape == (3, 8, 8)


# Zip files


def zipped(path: Path, *members: tuple[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> str:
    with zipfile.ZipFile(path, "w", how) as file:
        for name, data in members:
            file.writestr(name, data)
    return str(path)


def test_a_zip_writes_nothing(tmp_path: Path, cache: Path) -> None:
    source = open_data(zipped(tmp_path / "a.zip", ("../evil.png", picture()), ("good.png", picture())))
    for i in range(len(source)):
        source.load(i)
    assert not list(tmp_path.rglob("*.png")) and not cache.exists()


def test_a_bomb_in_a_zip_is_refused_from_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_BYTES", 8 * MEGABYTE)
    source = open_data(zipped(tmp_path / "a.zip", ("zeros.png", bytes(9 * MEGABYTE))))

    def load() -> None:
        with pytest.raises(BadImage, match="larger than 8 MiB"):
            source.load(0)

    assert peak(load) < 5 * MEGABYTE


def test_a_zip_that_lies_about_sizes_gives_no_more_than_it_says(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    zipped(path, ("zeros.png", bytes(30 * MEGABYTE)))
    data = bytearray(path.read_bytes())
    for magic, at in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        place = data.index(magic) + at
        data[place : place + 4] = struct.pack("<I", 100)
    path.write_bytes(data)
    source = open_data(str(path))

    def load() -> None:
        with pytest.raises(BadImage):
            source.load(0)

    assert peak(load) < 20 * MEGABYTE


def test_members_that_overlap_are_bad_images(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    zipped(path, ("a.png", picture()), ("b.png", picture((9, 9))))
    data = bytearray(path.read_bytes())
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    data[second + 42 : second + 46] = struct.pack("<I", 0)  # b lies where a does
    path.write_bytes(data)
    source = open_data(str(path))
    assert source.load(0).shape == (3, 8, 8)
    with pytest.raises(BadImage, match="cannot be read from the archive"):
        source.load(1)


@pytest.mark.parametrize("how", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_STORED])
def test_a_damaged_member_is_a_bad_image_in_every_compression(how: int, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    zipped(path, ("a.png", bytes(random.Random(0).randbytes(2000))), how=how)
    data = bytearray(path.read_bytes())
    data[60:200] = random.Random(1).randbytes(140)
    path.write_bytes(data)
    with pytest.raises(BadImage):
        open_data(str(path)).load(0)


def test_an_encrypted_member_and_an_unknown_compression_are_bad_images(tmp_path: Path) -> None:
    for place, value in ((6, 1), (8, 99)):  # of the local header; two more in the directory
        path = tmp_path / f"{place}.zip"
        zipped(path, ("a.png", picture()))
        data = bytearray(path.read_bytes())
        directory = data.index(b"PK\x01\x02")
        data[place] = data[directory + place + 2] = value
        path.write_bytes(data)
        with pytest.raises(BadImage, match="cannot be read from the archive"):
            open_data(str(path)).load(0)


def test_an_archive_in_an_archive_is_no_image(tmp_path: Path) -> None:
    inner = Path(zipped(tmp_path / "inner.zip", ("a.png", picture()))).read_bytes()
    with pytest.raises(BadImage, match="is not an image in a known format"):
        open_data(zipped(tmp_path / "a.zip", ("inner.png", inner))).load(0)


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tar.xz"])
def test_bytes_that_were_changed_anywhere_are_an_archive_or_a_sentence(suffix: str, tmp_path: Path) -> None:
    members = [(f"{c}/{i}.png", picture((8 + i, 8))) for c in "ab" for i in range(3)]
    if suffix == ".zip":
        whole = Path(zipped(tmp_path / "whole.zip", *members)).read_bytes()
    else:
        whole = {".tar": bytes, ".tar.gz": gzip.compress, ".tar.xz": lzma.compress}[suffix](of(*members))
    pick = random.Random(suffix)
    for i in range(60):
        data = bytearray(whole)
        for _ in range(pick.choice((1, 2, 8, 40))):
            data[pick.randrange(len(data))] = pick.choice((0, 255, pick.randrange(256)))
        path = tmp_path / f"{i}{suffix}"
        path.write_bytes(data[: pick.choice((len(data), pick.randrange(len(data))))])
        try:
            source = open_data(str(path))
        except DataError:
            continue
        for index in range(len(source)):
            with contextlib.suppress(BadImage):
                source.load(index)


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
def test_an_archive_that_is_a_pipe_or_a_device_is_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    for make in (lambda: os.mkfifo(path), lambda: path.symlink_to("/dev/zero")):
        make()
        with pytest.raises(DataError):
            open_data(str(path))
        path.unlink()


def test_images_that_are_pipes_or_devices_are_bad(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to("/dev/zero")
    source = open_data(str(tmp_path))
    for index in range(2):
        with pytest.raises(BadImage, match="no plain file"):
            source.load(index)


# Images


def png(width: int, height: int, data: bytes = b"") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + data + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    data = bytearray(picture(kind="JPEG"))
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def webp(width: int, height: int) -> bytes:
    head = (
        b"VP8X"
        + struct.pack("<I", 10)
        + b"\0\0\0\0"
        + struct.pack("<I", width - 1)[:3]
        + struct.pack("<I", height - 1)[:3]
    )
    return b"RIFF" + struct.pack("<I", 4 + len(head)) + b"WEBP" + head


def gif(frames: int, size: tuple[int, int] = (8, 8)) -> bytes:
    file = io.BytesIO()
    first, *rest = [Image.new("P", size, i % 256) for i in range(frames)]
    first.save(file, "GIF", save_all=True, append_images=rest)
    return file.getvalue()


IMAGES: dict[str, tuple[bytes, str]] = {
    "PNG of 50,000 × 50,000": (png(50_000, 50_000), "more than 100,000,000"),
    "JPEG of 50,000 × 50,000": (jpeg(50_000, 50_000), "more than 100,000,000"),
    "WebP of 16,777,215 × 16,777,215": (webp(2**24 - 1, 2**24 - 1), ""),
    "GIF of 65,535 × 65,535": (b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\0\0\0,\0\0\0\0" + struct.pack("<HH", 65535, 65535) + b"\0\2\0;", ""),
    "BMP of 2³¹ × 2³¹": (b"BM" + b"\0" * 12 + struct.pack("<IiiHHIIiiII", 40, 2**31 - 1, 2**31 - 1, 1, 24, 0, 0, 0, 0, 0, 0), ""),
    "PPM of 10⁹ × 10⁹": (b"P6 1000000000 1000000000 255\n", "more than"),
    "PPM of 10⁴⁰⁰⁰": (b"P6 1" + b"0" * 4000 + b" 1 255\n", ""),
    "PNG of no size": (png(0, 0), ""),
    "a PNG with a text of a gigabyte": (png(8, 8, struct.pack(">I", 2**31 - 1) + b"zTXt"), ""),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n(touch pwned) (w) file\n", "not an image in a known format"),
    "PDF": (b"%PDF-1.4\n", "not an image in a known format"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg' width='8' height='8'/>", "not an image in a known format"),
    "a pickled array": (b"\x93NUMPY\x01\0v\0{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "not an image in a known format"),
}  # fmt: skip


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_that_is_none_is_refused_in_little_memory(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data, message = IMAGES[name]

    def load() -> None:
        with pytest.raises(BadImage, match=message or None):
            decode(data, "x.png")

    assert peak(load) < 50 * MEGABYTE
    assert not (tmp_path / "pwned").exists()


def test_of_an_animation_only_the_first_picture_is_read() -> None:
    data = gif(300)
    assert decode(data, "x.gif").shape == (3, 8, 8)
    assert peak(lambda: decode(data, "x.gif")) < MEGABYTE


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_bytes_that_were_changed_anywhere_are_an_image_or_a_sentence(kind: str) -> None:
    whole, pick = picture((24, 16), kind), random.Random(kind)
    for _ in range(100):
        data = bytearray(whole)
        for _ in range(pick.choice((1, 2, 8))):
            data[pick.randrange(len(data))] = pick.choice((0, 255, pick.randrange(256)))
        with contextlib.suppress(BadImage):
            decode(bytes(data[: pick.choice((len(data), pick.randrange(len(data))))]), "x")
