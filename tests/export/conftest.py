"""Runs to export."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def changed(trained: Callable[[str], Path], tmp_path: Path) -> Callable[..., Path]:
    """`changed("simclr", old="new")`: a copy of a toy run with other words in its method."""

    def copy(method: str, **words: str) -> Path:
        run = Path(shutil.copytree(trained(method), tmp_path / "changed"))
        text = (run / "method.yaml").read_text()
        for old, new in words.items():
            assert f"\n{old}:" in text
            text = "\n".join(f"{old}: {new}" if line.startswith(f"{old}:") else line for line in text.splitlines())
        (run / "method.yaml").write_text(text)
        return run

    return copy
