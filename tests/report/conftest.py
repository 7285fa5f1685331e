"""Runs that were logged, not trained."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graphssl

Logged = Callable[..., Path]


@pytest.fixture
def logged(tmp_path: Path) -> Logged:
    """`logged("a", "byol@quick")`: a run folder of that method with 50 logged steps, finished unless `finished=False`."""

    def folder(name: str, method: str = "byol@quick", *, finished: bool = True, **more: Any) -> Path:
        run = tmp_path / name
        run.mkdir()
        overrides = more.pop("overrides", {})
        (run / "method.yaml").write_text(graphssl.load(method, overrides).text())
        nodes = {"f": {"std": 0.5, "grad_norm": 1.5}}
        lines = [
            {"step": step, "epoch": step / 25, "loss": 4 / step, "lr": 0.1, "images_per_s": 100.0, "nodes": nodes}
            for step in range(1, 51)
        ]
        lines[-1] |= {"knn": 0.4, **more.pop("last", {})}
        (run / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        if finished:
            summary = {"steps": 50, "data": "shapes", "processes": 1, "command": "/x/graphssl train m --out r", **more}
            (run / "summary.json").write_text(json.dumps(summary))
        return run

    return folder
