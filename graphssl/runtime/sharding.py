"""Training with the weights split over the processes: FSDP2 through Accelerate, switched on by `accelerate launch`'s config.

Every parameter and its optimizer state is split, those of slow copies like those of what they follow; a transformer's blocks
are gathered one at a time, everything else for the length of a step. State registers (buffers) stay whole on every process.
What is written to disk is whole: a checkpoint does not show how it was made.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, register_fsdp_forward_method
from torch.distributed.fsdp.wrap import size_based_auto_wrap_policy, transformer_auto_wrap_policy
from torch.distributed.tensor import DTensor, distribute_tensor

from graphssl.compiler.build import own_module
from graphssl.ir.graph import Graph
from graphssl.runtime.errors import RunError
from graphssl.runtime.moments import counted, parameters_of
from graphssl.runtime.optim import Optimizers


def asked() -> FullyShardedDataParallelPlugin | None:
    """What the launcher's config says about sharding; nothing where it wants none."""
    if os.environ.get("ACCELERATE_USE_FSDP", "false").lower() != "true":
        return None
    try:
        plugin = FullyShardedDataParallelPlugin()
    except ValueError as error:
        raise RunError(f"Accelerate cannot read `fsdp_config`: {error}") from None
    if plugin.fsdp_version != 2:
        raise RunError("FSDP version 1 is not supported: write `fsdp_version: 2` into `fsdp_config`")
    if plugin.auto_wrap_policy is size_based_auto_wrap_policy:
        raise RunError("blocks are sharded as the graph says: take `fsdp_auto_wrap_policy: SIZE_BASED_WRAP` away")
    if plugin.activation_checkpointing:
        raise RunError(
            "Accelerate's activation checkpointing draws dropout and drop-path anew when it computes again, "
            "so gradients would be wrong: set `fsdp_activation_checkpointing: false`, and `checkpoint: true` on the encoder"
        )
    if os.environ.get("ACCELERATE_DYNAMO_BACKEND", "NO").upper() != "NO":
        raise RunError("a module cannot be both sharded and compiled by the launcher: remove `dynamo_config`")
    plugin.cpu_ram_efficient_loading = False  # for weights of `transformers`; it cannot load buffers
    return plugin


def forget() -> None:
    """Undo what an earlier sharded training of this process has left in Accelerate, and would be taken for this one's."""
    state = PartialState._shared_state
    if state.get("distributed_type") == DistributedType.FSDP:
        on_cpu = state["device"].type == "cpu"
        state["distributed_type"] = DistributedType.MULTI_CPU if on_cpu else DistributedType.MULTI_GPU


def use(plugin: FullyShardedDataParallelPlugin, accelerator: Accelerator) -> None:
    """Let `accelerator` shard on the CPU as well, where Accelerate ignores the plugin (1.15, AcceleratorState.__init__)."""
    if accelerator.distributed_type == DistributedType.MULTI_CPU:
        PartialState().distributed_type = accelerator.state.distributed_type = DistributedType.FSDP
        accelerator.state.fsdp_plugin = plugin


def shard(
    accelerator: Accelerator, module: nn.Module, graph: Graph, optimizers: Optimizers
) -> tuple[nn.Module, list[Any]]:
    """Split `module` in place, with what its optimizers remember; gives it and the optimizers as Accelerate wraps them."""
    plugin = accelerator.state.fsdp_plugin
    plugin.auto_wrap_policy = transformer_auto_wrap_policy
    plugin.transformer_cls_names_to_wrap = sorted({type(block).__name__ for block in blocks(module, graph)})
    plugin.mixed_precision_policy = (
        None  # autocast below, as without sharding: Accelerate's would round norms and heads
    )
    remembered = [optimizer.state_dict()["state"] for optimizer in optimizers.all()]
    module.to(memory_format=torch.contiguous_format)
    model, *prepared = accelerator.prepare(module, *optimizers.all())
    optimizers.follow(model)
    for optimizer, state in zip(optimizers.all(), remembered, strict=True):
        optimizer.state.clear()  # of the parameters before
        optimizer.load_state_dict(_split(optimizer, state))
    model.forward = accelerator.autocast()(model.forward)
    warnings.filterwarnings(
        "ignore", "FSDP2-wrapped module .* returned a view"
    )  # nothing writes into what a step gives
    for method in {"represent", "encode", "conclude"} & set(dir(model)):  # which compute with weights, as forward does
        register_fsdp_forward_method(model, method)
    return model, prepared


def blocks(module: nn.Module, graph: Graph) -> list[nn.Module]:
    """The transformer blocks of every encoder and of its copies."""
    owners = [own_module(module, node) for node in graph]
    stacks = [getattr(owner, "blocks", None) for owner in owners]
    return [block for stack in stacks if isinstance(stack, nn.Sequential | nn.ModuleList) for block in stack]


def release(module: nn.Module) -> None:
    """Let go of the whole weights that a forward without backward left gathered; nothing happens to others."""
    for part in module.modules():
        if isinstance(part, FSDPModule):
            part.reshard()


def own_part(x: Tensor) -> Tensor:
    """What this process holds of x: all of it when it is not split."""
    return x.to_local() if isinstance(x, DTensor) else x


def apart(accelerator: Accelerator, model: nn.Module) -> AbstractContextManager[Any]:
    """A backward of each process for itself, whose gradients are thrown away; those of split weights can only come together."""
    return nullcontext() if accelerator.is_fsdp2 else accelerator.no_sync(model)


def whole(x: Tensor) -> Tensor:
    """x, gathered from all processes when it is split: every one of them must ask."""
    return x.full_tensor() if isinstance(x, DTensor) else x


def whole_state(module: nn.Module, *, keep: bool) -> dict[str, Tensor]:
    """Every parameter and buffer, whole. All processes must ask; those that do not `keep` get nothing."""
    return _whole(module.state_dict(), keep)


def whole_moments(optimizer: torch.optim.Optimizer, *, keep: bool) -> dict[str, dict[str, Any]]:
    """What an optimizer remembers, whole: of each parameter by its number, and of each group as `group0`, …

    All processes must ask, as for `whole_state`.
    """
    saved = optimizer.state_dict()
    own = {str(index): _whole(state, keep) for index, state in saved["state"].items()}
    return own | {f"group{i}": counted(optimizer, group) for i, group in enumerate(saved["param_groups"])}


def _whole(values: Mapping[str, Any], keep: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, DTensor):
            value = value.full_tensor().cpu()  # one at a time on the device
        if keep:
            found[name] = value
    return found


def _split(optimizer: torch.optim.Optimizer, state: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """A state dict of `optimizer` with the tensors of `state` (whole) split like their parameters."""
    parameters = parameters_of(optimizer)
    split = {
        index: {
            key: distribute_tensor(value.contiguous(), p.device_mesh, p.placements, src_data_rank=None)
            if isinstance(value, Tensor) and value.shape == p.shape
            else value
            for key, value in values.items()
        }
        for index, values in state.items()
        for p in [parameters[index]]
    }
    return {"state": split, "param_groups": optimizer.state_dict()["param_groups"]}
