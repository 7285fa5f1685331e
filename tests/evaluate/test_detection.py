"""docs/detection.md works: its code is run, and detectors learn with a run's encoder as their backbone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

PAGE = Path(__file__).parents[2] / "docs" / "detection.md"
NEEDED, RESNET, TRANSFORMER, TRAINING = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("method", "build"),
    [pytest.param("simclr", RESNET, marks=pytest.mark.slow, id="resnet"), pytest.param("dino", TRANSFORMER, id="vit")],
)
def test_a_detector_learns_with_the_encoder_as_its_backbone(
    trained: Callable[[str], Path], method: str, build: str
) -> None:
    torch.manual_seed(0)
    names: dict[str, Any] = {"__name__": "page"}
    before = NEEDED.replace('"runs/first"', repr(str(trained(method))))
    exec(compile(before + build, str(PAGE), "exec"), names)
    weights = [parameter.detach().clone() for parameter in names["encoder"].parameters()]
    exec(compile(TRAINING, str(PAGE), "exec"), names)
    losses = names["losses"]
    assert sum(losses[-4:]) < 0.8 * sum(losses[:4]), losses
    assert any(not torch.equal(a, b) for a, b in zip(weights, names["encoder"].parameters(), strict=True))
    names["detector"].eval()
    found = names["detector"](names["batch"](0)[0])
    assert len(found) == 4 and found[0]["boxes"].shape[1] == 4
