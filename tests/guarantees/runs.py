"""Trains cases by the real `train`, in float64, and keeps what is compared: `python -m tests.guarantees.runs JOBS.json`.

Under `torch.distributed.run` every process goes through all jobs: start-up is what these tests cost.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import graphssl
from graphssl.runtime import train as training
from graphssl.runtime.folder import RunFolder
from graphssl.runtime.loop import Loop
from graphssl.runtime.optim import Optimizers
from graphssl.runtime.options import Options
from graphssl.runtime.sharding import whole
from tests.guarantees.cases import COMMON, IMAGES, MIDDLE, STEPS


@dataclass(frozen=True)
class Job:
    """One training: a method with overrides into a folder. options: of `graphssl train`."""

    method: str
    overrides: dict[str, Any]
    out: str
    options: dict[str, Any] = field(default_factory=dict)


class Seen:
    """What a training showed on its way: the losses of each step, the gradients of the first and the last."""

    def __init__(self) -> None:
        self.losses: list[Tensor] = []
        self.gradients: dict[str, Tensor] = {}

    def step(self, loop: Loop, outputs: dict[str, Tensor]) -> None:
        values = torch.stack([outputs[name].double() for name in sorted(outputs)])
        self.losses.append(loop.accelerator.reduce(values, "mean"))

    def backward(self, module: nn.Module, step: int) -> None:
        for name, parameter in module.named_parameters() if step in (0, STEPS - 1) else ():
            if parameter.grad is not None:
                self.gradients[f"{step}.{name}"] = whole(parameter.grad.detach()).clone(
                    memory_format=torch.contiguous_format
                )

    def tensors(self) -> dict[str, Tensor]:
        return {"losses": torch.stack(self.losses), **{f"grad.{name}": g for name, g in self.gradients.items()}}


def doubled(module: Any) -> nn.Module:
    """The module in float64, and what it is given."""

    def wide(value: Any) -> Any:
        if isinstance(value, list):
            return [wide(x) for x in value]
        return value.double() if value.is_floating_point() else value

    def given(views: dict[str, Any], *args: Any) -> tuple[Any, ...]:
        return {name: wide(value) for name, value in views.items()}, *args

    module.double()
    module.register_forward_pre_hook(lambda _, args: given(*args))
    represent = module.represent
    module.represent = lambda images: represent(images.double())
    if hasattr(module, "encode"):  # where the recipe has micro-batches of one loss
        encode = module.encode
        module.encode = lambda *args, **kwargs: encode(*given(*args), **kwargs)
    return module


@contextmanager
def watched(seen: Seen) -> Iterator[None]:
    """Trainings within are in float64, `seen` sees them, and they leave the processes connected for the next."""
    compiled, step, drop = training.compiled, Loop.step, Optimizers.drop_frozen
    module: list[nn.Module] = []

    def built(*args: Any, **kwargs: Any) -> nn.Module:
        module[:] = [doubled(compiled(*args, **kwargs))]
        return module[0]

    def stepped(loop: Loop, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        outputs = step(loop, *args, **kwargs)
        seen.step(loop, outputs)
        return outputs

    def dropped(optimizers: Optimizers, at: int) -> None:
        seen.backward(module[0], at)
        drop(optimizers, at)

    with (
        patch.object(training, "compiled", built),
        patch.object(Loop, "step", stepped),
        patch.object(Optimizers, "drop_frozen", dropped),
        patch.object(Accelerator, "end_training", lambda _: None),
    ):
        yield


def run(job: Job) -> None:
    """Train, and save what was seen beside the run's own files; a failure is a file, too, and the others go on."""
    out, seen = Path(job.out), Seen()
    quiet = {"eval_every": 0, "measure_every": 0, "log_every": 1}
    options = {"steps": STEPS, "checkpoint_every": MIDDLE / 3, "keep_checkpoints": STEPS, **quiet, **job.options}
    try:
        method = graphssl.load(job.method, {**COMMON, **job.overrides})
        with watched(seen):
            training.train(method, Options(data=IMAGES, out=job.out, device="cpu", **options))
        if int(torch.distributed.get_rank() if torch.distributed.is_initialized() else 0) == 0:
            save_file(seen.tensors(), out / "seen.safetensors")
    except Exception:
        out.mkdir(parents=True, exist_ok=True)
        (out / "failed.txt").write_text(traceback.format_exc())


def result(out: Path, after: int = 0) -> dict[str, dict[str, Tensor]]:
    """What a run showed after some steps and left, by kind: losses, gradients, model (parameters and registers), optimizer."""
    if (out / "failed.txt").exists():
        raise RuntimeError((out / "failed.txt").read_text())
    seen = load_file(out / "seen.safetensors")
    latest = RunFolder(out).latest_checkpoint()
    assert latest is not None
    return {
        "losses": {"losses": seen.pop("losses")[after - STEPS :]},
        "gradients": {name: g for name, g in seen.items() if not (after and name.startswith("grad.0."))},
        "model": load_file(latest / "model.safetensors"),
        "optimizer": load_file(latest / "optimizer.safetensors"),
    }


def main(jobs: Path) -> None:
    for job in json.loads(jobs.read_text()):
        run(Job(**job))
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
