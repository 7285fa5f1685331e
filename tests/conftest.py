"""What several test files share: toy overrides that keep a method's wiring and make it tiny."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# oneDNN writes past its memory in the backward of strided 1×1 convolutions from fewer than 8 channels, on CPUs without AVX-512.
TOY_ENCODER = {"channels": [8, 8, 8, 8]}
TOY_TRANSFORMER = {"patch_size": 8, "embed_dim": 16, "depth": 1, "num_heads": 2}
METHODS = (
    "infonce", "simclr", "simclr_v2", "moco_v1", "moco_v2", "moco_v3", "byol", "simsiam", "vicreg", "dino", "ibot",
    "dinov2",
)  # fmt: skip


def toy_overrides(method: str) -> dict[str, Any]:
    """Overrides that make `method@quick` run a step in milliseconds."""
    overrides: dict[str, Any] = {"nodes.f.args": TOY_ENCODER, "train.batch_size": 16, "train.precision": "fp32"}
    if method in ("dino", "ibot", "dinov2"):
        overrides |= {"nodes.f.args": TOY_TRANSFORMER, "params.prototypes": 24}
        overrides |= {"nodes.h.hidden": [16], "nodes.h.bottleneck": 8}
        overrides |= {"nodes.mask.patch": 8} if method != "dino" else {}
        overrides |= {"nodes.s.room": 0.5, "nodes.t.room": 0.5} if method == "dinov2" else {}
    if method in ("moco_v1", "moco_v2"):
        overrides |= {"params.queue": 40, "params.dim": 8, "nodes.f.bn_group": 8}
        overrides |= {"nodes.g.bn_group": 8} if method == "moco_v2" else {}
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
        values = next(iter(node.outputs.values()))
        made = []
        for value in values.values:
            shape = [size if isinstance(size, int) else batch for size in value.axes]
            if value.kind == "label":
                made.append(torch.randint(0, 10, shape, generator=generator))
            elif value.kind == "mask":
                made.append(torch.rand(shape, generator=generator) < 0.3)
            else:
                made.append(torch.randn(shape, generator=generator).to(dtype or torch.float32))
        views[node.name] = made if values.listed else made[0]
    return views


@pytest.fixture(scope="module")
def short_bench() -> Iterator[None]:
    """`graphssl bench` takes few steps, and compares with small matrices."""
    from graphssl.runtime.bench import machine, run

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "WARM_UP", 1)
        patch.setattr(run, "LOOKED_INTO", 1)
        patch.setattr(machine, "SIZES", {"cpu": (64, 128)})
        yield


@pytest.fixture
def without_torch() -> Callable[..., str]:
    """`without_torch(code, *arguments)`: what a Python of its own prints that runs the code and has not imported torch at its end.

    hash_seed: orders its sets.
    """

    def run(code: str, *arguments: str, hash_seed: int = 0) -> str:
        code += "\nimport sys; assert not {'torch', 'torchvision', 'timm'} & sys.modules.keys()"
        environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONIOENCODING": "utf-8"}
        words = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(words, env=environment, capture_output=True, encoding="utf-8", check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`trained("simclr")`: the folder of a toy run of four steps on `shapes:32,64`; to be read, not written."""
    made: dict[str, Path] = {}

    def folder(method: str) -> Path:
        if method not in made:
            import graphssl
            from graphssl.runtime.options import Options
            from graphssl.runtime.train import train

            made[method] = tmp_path_factory.mktemp("trained") / method
            options = Options(
                data="shapes:32,64", out=str(made[method]), steps=4, eval_every=0, log_every=1, device="cpu"
            )
            assert train(graphssl.load(f"{method}@quick", toy_overrides(method)), options) == 0
        return made[method]

    return folder
