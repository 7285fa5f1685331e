"""What a run starts from: its processes and its module."""

from __future__ import annotations

import os
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs, GradientAccumulationPlugin
from torch import nn

from graphssl.language.train import Train
from graphssl.pipeline import Method
from graphssl.pipeline import compile as compile_method
from graphssl.runtime.errors import RunError
from graphssl.runtime.launcher import processes_asked
from graphssl.runtime.options import Options
from graphssl.runtime.precision import precision_on, set_products
from graphssl.runtime.sharding import asked, forget, use


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
    _refuse_other_engines()
    sharding = asked()
    AcceleratorState._reset_state()  # an earlier training of this process may have had another precision
    forget()
    try:
        accelerator = Accelerator(
            cpu=options.device == "cpu" or not torch.accelerator.is_available(),
            mixed_precision="no" if precision == "fp32" else precision,
            log_with=options.log_with,
            project_dir=options.out,
            fsdp_plugin=sharding,
            gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),  # `train.accumulate` is the loop's
            kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
        )
    except (ValueError, ImportError) as error:
        raise RunError(f"Accelerate cannot start: {error}") from None
    set_products(precision, accelerator.device, tf32=options.tf32)
    if sharding:
        use(sharding, accelerator)
    wanted = processes_asked()
    if wanted != accelerator.num_processes:
        raise RunError(
            f"{wanted} processes were asked for, but {accelerator.num_processes} takes part: on the CPU, write "
            f"`torchrun --nproc_per_node {wanted} -m graphssl train … --device cpu`"
        )
    return accelerator


def _refuse_other_engines() -> None:
    """Refuse launchers whose engine takes over what the graph describes."""
    for name, engine in (("DEEPSPEED", "DeepSpeed"), ("MEGATRON_LM", "Megatron-LM")):
        if os.environ.get(f"ACCELERATE_USE_{name}", "false").lower() == "true":
            raise RunError(
                f"{engine} is not supported, because its engine owns parameters, clipping and steps, which the graph and "
                "`train:` describe: use `distributed_type: FSDP` with `fsdp_version: 2` to split weights over processes"
            )


def compiled(method: Method, **how: Any) -> nn.Module:
    """The module of a method; weights that cannot be downloaded are told in one sentence."""
    try:
        return compile_method(method, **how)
    except OSError as error:
        help = "connect, or put them into timm's cache, or leave `pretrained: true` out"
        raise RunError(f"`{getattr(error, 'graphssl_node', method.reference)}` cannot start: {error}: {help}") from None
