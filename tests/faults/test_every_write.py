"""A run killed at any of its file operations, and one killed again and again, end as the whole run does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.commands import ended, start

HERE = Path(__file__).parent


def test_killed_at_some_file_operations(tmp_path: Path) -> None:
    code, messages = ended(start([str(HERE / "every_write.py"), str(tmp_path), "--every", "12"]))
    assert code == 0, messages


@pytest.mark.slow
@pytest.mark.parametrize("method", ["simclr", "moco_v2", "dinov2"])
def test_killed_at_every_file_operation(method: str, tmp_path: Path) -> None:
    code, messages = ended(start([str(HERE / "every_write.py"), str(tmp_path), "--method", method]), timeout=1800)
    assert code == 0, messages


@pytest.mark.slow
def test_killed_at_random(tmp_path: Path) -> None:
    code, messages = ended(start([str(HERE / "soak.py"), str(tmp_path), "--kills", "3", "--steps", "40"]), timeout=900)
    assert code == 0, messages
