"""Augmentation on a device that is not the host: nothing there waits for the host, or lies on it.

Torch's meta device has no pixels, so that what would have to come from there to the host fails; each operation that torch is
asked for is looked at for tensors of the host, which would have to be copied at that moment.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from graphssl.data.augment import Augmenter, ViewPlan
from graphssl.data.blur import _shifts

Plan = Callable[..., ViewPlan]
RECIPES = sorted((Path(__file__).parents[2] / "graphs" / "recipes").glob("*.yaml"))
REST = {
    "crop": {"method": "byol"},
    "vertical_flip": {"p": 0.5},
    "rotate": {"degrees": 30, "p": 0.5},
    "invert": {"p": 0.5},
    "erase": {"p": 0.5},
}


class Watched(TorchDispatchMode):
    """Fails where an operation on the device would stop the host."""

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = op(*args, **kwargs)
        there = [x for x in tree_leaves(out) if isinstance(x, Tensor) and x.device.type == "meta"]
        here = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor) and x.device.type == "cpu" and x.dim()]
        moved = op is torch.ops.aten._to_copy.default and kwargs.get("non_blocking")
        assert not (there and here) or moved, f"{op} waits for {[tuple(x.shape) for x in here]}"
        return out


@pytest.mark.parametrize("sizes", ["equal", "different"])
@pytest.mark.parametrize(
    "steps", [*(path.stem for path in RECIPES), REST, {"resize": {}, "pad_crop": {"padding": 4}}], ids=str
)
def test_no_step_waits_for_the_device(steps: Any, sizes: str, plan: Plan) -> None:
    _shifts.cache_clear()
    heights = np.full(12, 40) if sizes == "equal" else 36 + np.arange(12) % 4
    pixels = [torch.zeros(3, height, 48, dtype=torch.uint8, device="meta") for height in heights.tolist()]
    images = torch.stack(pixels) if sizes == "equal" else pixels
    with Watched():
        view = Augmenter({"v": plan(steps, 32, "v")}, seed=0)(images, range(12), 0)["v"]
    assert view.device.type == "meta" and view.shape == (12, 3, 32, 32)
