"""`--compile`: whole blocks, each once, with the numbers of the blocks as they are written. No compiler is needed here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._dynamo as dynamo
from torch._dynamo.utils import counters

import graphssl
from graphssl.runtime import regions
from graphssl.runtime.errors import RunError
from graphssl.runtime.folder import RunFolder
from graphssl.runtime.loop import Loop
from tests.conftest import TOY_TRANSFORMER, toy_overrides

DEEP = {"nodes.f.args": {**TOY_TRANSFORMER, "depth": 4}, "nodes.f.drop_path": 0.4}


@pytest.fixture(autouse=True)
def traced_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compiled code is run operation by operation."""
    monkeypatch.setattr(regions, "BACKEND", "aot_eager")
    dynamo.reset()
    counters.clear()
    yield
    dynamo.reset()


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many there have been after each step, and the breaks of graphs."""
    after: list[int] = []
    step = Loop.step

    def counted(self: Loop, *arguments: Any) -> Any:
        out = step(self, *arguments)
        after.append(counters["stats"]["unique_graphs"])
        return out

    monkeypatch.setattr(Loop, "step", counted)
    return after


@pytest.mark.parametrize(
    ("name", "overrides", "graphs"),
    [
        ("simclr", {}, None),
        ("moco_v2", {}, None),
        ("byol", {"nodes.f.checkpoint": True}, None),
        # blocks of student and teacher on images of two sizes, the first without drop path, and heads
        ("dino", DEEP, 2 * 2 + 2 + 2),
        ("ibot", DEEP | {"nodes.f.checkpoint": True}, None),
        ("dinov2", DEEP | {"nodes.f.drop_path_exact": True}, None),
        ("dino", DEEP | {"train.micro_batch": 8, "nodes.h.norm": "none"}, None),
    ],
)
def test_compiled_blocks_give_the_losses_and_none_is_compiled_after_the_first_steps(
    name: str, overrides: dict[str, Any], graphs: int | None, compilations: list[int], train: Any, tmp_path: Path
) -> None:
    found = []
    for compiled in (False, True):
        out = tmp_path / str(compiled)
        train(name, out, overrides, steps=5, compile=compiled, measure_every=0, eval_every=1, eval_samples=20)
        found.append([line["loss"] for line in RunFolder(out).metrics() if "loss" in line])
    assert found[1] == pytest.approx(found[0], rel=1e-4)
    assert not counters["graph_break"]
    assert compilations[:5] == [0] * 5
    assert compilations[5] > 0 and compilations[6:] == [compilations[6]] * 4
    print(compilations)
