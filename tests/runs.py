"""What tests do to runs, and compare of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from graphssl.runtime.folder import RunFolder
from graphssl.runtime.loop import Loop


@contextmanager
def at_step(number: int, act: Callable[[Loop], Any]) -> Iterator[None]:
    """Within `with`, `act` is called in the middle of training, just before step `number` (counted from 1)."""
    whole = Loop.step

    def step(loop: Loop, index: int, *arguments: Any) -> Any:
        if index + 1 == number:
            act(loop)
        return whole(loop, index, *arguments)

    Loop.step = step  # type: ignore[method-assign]
    try:
        yield
    finally:
        Loop.step = whole  # type: ignore[method-assign]


def poison(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the views of a source node are not finite."""
    whole = Loop.micro_batches

    def poisoned(part: Any) -> dict[str, Any]:
        views = part()
        return {**views, source: views[source] * float("nan")}

    monkeypatch.setattr(Loop, "micro_batches", lambda *step: [partial(poisoned, part) for part in whole(*step)])


def final(run: Path) -> dict[str, torch.Tensor]:
    """All tensors of the newest checkpoint."""
    latest = RunFolder(run).latest_checkpoint()
    assert latest is not None
    return {**load_file(latest / "model.safetensors"), **load_file(latest / "optimizer.safetensors")}


def logged(run: Path) -> list[dict[str, Any]]:
    """Every line without what a clock says."""
    found = [{k: v for k, v in r.items() if k != "images_per_s"} for r in RunFolder(run).metrics()]
    for values in (values for record in found for values in record.get("nodes", {}).values()):
        values.pop("time", None)
    return found


def difference(whole: Path, parts: Path) -> str | None:
    """The first way in which the end of an interrupted run differs from that of a whole one: bytes, lines, summary, files."""
    a, b = (RunFolder(run).latest_checkpoint() for run in (whole, parts))
    if a is None or b is None or a.name != b.name:
        return f"the newest checkpoints are {a} and {b}"
    for name in ("model.safetensors", "optimizer.safetensors"):
        if (a / name).read_bytes() != (b / name).read_bytes():
            return f"the bytes of {name} differ"
    if json.loads((a / "state.json").read_text()) != json.loads((b / "state.json").read_text()):
        return "state.json differs"
    if logged(whole) != logged(parts):
        return f"the lines differ: {[r['step'] for r in logged(whole)]} and {[r['step'] for r in logged(parts)]}"
    if any(line and not line.endswith("}") for line in (parts / "metrics.jsonl").read_text().splitlines()):
        return "a line is cut"
    summaries = [{k: v for k, v in RunFolder(run).summary().items() if k != "command"} for run in (whole, parts)]
    if summaries[0] != summaries[1]:
        return f"the summaries differ: {summaries}"
    names = [sorted(str(path.relative_to(run)) for path in run.rglob("*")) for run in (whole, parts)]
    return None if names[0] == names[1] else f"the files differ: {set(names[0]) ^ set(names[1])}"
