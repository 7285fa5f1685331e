"""What a run starts from: its processes, its folder, its checkpoint."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs
from torch import nn

from graphssl.language.train import Train
from graphssl.pipeline import Method
from graphssl.runtime import checkpoint
from graphssl.runtime.errors import RunError
from graphssl.runtime.folder import RunFolder
from graphssl.runtime.optim import Optimizers
from graphssl.runtime.options import Options
from graphssl.runtime.precision import precision_on


def accelerator_for(recipe: Train, options: Options) -> Accelerator:
    """The processes and their device; Accelerate's own complaints as one sentence."""
    if recipe.precision == "fp16" and (options.device == "cpu" or not torch.cuda.is_available()):
        raise RunError("fp16 needs a GPU: use --set train.precision=bf16 or fp32 here")
    if options.device not in (None, "cpu", "cuda", "mps"):
        raise RunError(f"--device expects cpu, cuda or mps, got `{options.device}`")
    if options.device == "cuda" and not torch.cuda.is_available():
        raise RunError("there is no CUDA device here: leave --device out, or use --device cpu")
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    precision = precision_on(recipe.precision, device)
    AcceleratorState._reset_state()  # an earlier training of this process may have had another precision
    try:
        accelerator = Accelerator(
            cpu=options.device == "cpu",
            mixed_precision="no" if precision == "fp32" else precision,
            log_with=options.log_with,
            project_dir=options.out,
            kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
        )
    except (ValueError, ImportError) as error:
        raise RunError(f"Accelerate cannot start: {error}") from None
    asked = int(os.environ.get("WORLD_SIZE", "1"))
    if asked != accelerator.num_processes:
        raise RunError(f"{asked} processes were asked for, but {accelerator.num_processes} take part")
    return accelerator


def begin(folder: RunFolder, method: Method, options: Options, accelerator: Accelerator) -> dict[str, Any] | None:
    """Claim a new folder, or give the facts of the checkpoint to go on from."""
    latest = folder.latest_checkpoint() if options.resume else None
    if latest is not None:
        folder.require()
        saved = folder.method_file.read_text()
        if saved != method.text() and not options.allow_changed:
            raise RunError(
                f"the method differs from the one in `{folder.method_file}`: give the same overrides as before, "
                "or add --allow-changed"
            )
        facts = checkpoint.read_facts(latest)
        return {**facts, "path": str(latest)}
    if accelerator.is_main_process:
        if options.resume and folder.exists():
            folder.forget_metrics_from(-1)  # it never reached a checkpoint: start again in the same folder
        else:
            folder.begin(method.text())
    accelerator.wait_for_everyone()
    return None


def resume(folder: RunFolder, facts: dict[str, Any], module: nn.Module, optimizers: Optimizers, steps: int) -> int:
    """Put the checkpoint back; the step to go on from."""
    done = int(facts["step"])
    if done >= steps:
        raise RunError(f"`{folder.path}` is finished ({done} steps): give more --epochs or --steps to go on")
    path = Path(facts["path"])
    checkpoint.load_module(path, module)
    checkpoint.load_optimizers(path, optimizers.all(), facts)
    if int(os.environ.get("RANK", "0")) == 0:
        folder.forget_metrics_from(done)
    return done
