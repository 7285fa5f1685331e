"""Shards on disk and behind URLs, in a cache of their own."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest

from graphssl.data.shards import fetch, table
from graphssl.data.shards.write import write_shards
from graphssl.data.sources import ImageSource, open_data


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no waiting between attempts, and nothing that earlier tests have read."""
    monkeypatch.setenv("GRAPHSSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fetch, "DELAYS", (0.0, 0.0))
    table.recent.clear()
    fetch.is_plain.cache_clear()
    return tmp_path / "cache"


@pytest.fixture
def small() -> ImageSource:
    """20 generated images of ten classes."""
    return open_data("shapes:16,20")


@pytest.fixture
def shards(small: ImageSource, tmp_path: Path) -> Path:
    """A folder of five shards of four images, in their order, with an index."""
    write_shards(small, tmp_path / "shards", images=4, shuffle=None)
    return tmp_path / "shards"


@pytest.fixture
def remote(shards: Path) -> Iterator[str]:
    """The same shards behind a URL."""
    system = fsspec.filesystem("memory")
    system.put(f"{shards}/", "/remote/", recursive=True)
    yield "memory:///remote"
    system.rm("/remote", recursive=True)


@pytest.fixture
def write_tar(tmp_path: Path) -> Callable[..., Path]:
    """write_tar("a.tar", ("x.jpg", b"..."), ...): a tar of these members."""

    def write(name: str, *members: tuple[str, bytes], mode: str = "w") -> Path:
        with tarfile.open(tmp_path / name, mode) as tar:
            for member, data in members:
                info = tarfile.TarInfo(member)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return tmp_path / name

    return write
