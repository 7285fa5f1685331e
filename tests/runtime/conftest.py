"""A small training for runtime tests: `train("byol", out)` trains a toy on a few generated shapes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graphssl
from tests.conftest import toy_overrides

DATA = "shapes:32,64"


@pytest.fixture
def train() -> Callable[..., int]:
    from graphssl.runtime.options import Options
    from graphssl.runtime.train import train as run

    def start(name: str, out: Path, overrides: dict[str, Any] | None = None, **options: Any) -> int:
        method = graphssl.load(f"{name}@quick", {**toy_overrides(name), **(overrides or {})})
        given = {"data": DATA, "eval_every": 0, "log_every": 1, "device": "cpu", **options}
        return run(method, Options(out=str(out), **given))

    return start
