"""Small disks that can be filled."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.runtime.conftest import train as train


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """`disk("1m")` is a file system of its own, of that size."""
    place = tmp_path / "disk"

    def made(size: str) -> Path:
        place.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
        if shutil.which("mount") is None or subprocess.run(words, capture_output=True, check=False).returncode:
            pytest.skip("only root can make a file system")
        return place

    yield made
    while place.is_mount():
        subprocess.run(["umount", str(place)], capture_output=True, check=True)
