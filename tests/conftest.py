"""What several test files share: toy overrides that keep a method's wiring and make it tiny."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

TOY_ENCODER = {"channels": [4, 8, 8, 8]}
METHODS = ("infonce", "simclr", "simclr_v2", "moco_v1", "moco_v2", "byol", "simsiam", "vicreg")


def toy_overrides(method: str) -> dict[str, Any]:
    """Overrides that make `method@quick` run a step in milliseconds."""
    overrides: dict[str, Any] = {"nodes.f.args": TOY_ENCODER, "train.batch_size": 16, "train.precision": "fp32"}
    if method.startswith("moco"):
        overrides |= {"params.queue": 40, "params.dim": 8}
    return overrides


@pytest.fixture
def toy() -> Callable[[str], Any]:
    """`toy("byol")` loads a tiny `byol@quick`."""
    import graphssl

    return lambda method, **more: graphssl.load(f"{method}@quick", {**toy_overrides(method), **more})


def toy_views(method: Any, batch: int = 8, seed: int = 0, dtype: Any = None) -> dict[str, Any]:
    """Random images and labels by source-node name."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    views: dict[str, Any] = {}
    for node in method.checked_graph().sources():
        if node.op.name == "label":
            views[node.name] = torch.randint(0, 10, (batch,), generator=generator)
        else:
            size = node.attrs["size"]
            views[node.name] = torch.randn(batch, 3, size, size, generator=generator).to(dtype or torch.float32)
    return views
