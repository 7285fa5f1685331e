"""Checkpoints: safetensors for tensors, JSON for the rest; written whole or not at all; loading executes nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from graphssl.runtime.errors import RunError
from graphssl.runtime.folder import checkpoints_in, sync, unfinished
from graphssl.runtime.untrusted import FACTS_SCHEMA, read_json, read_tensors


def save(
    folder: Path,
    step: int,
    tensors: Mapping[str, Tensor],
    moments: Sequence[Mapping[str, Mapping[str, Any]]],
    facts: Mapping[str, Any],
    *,
    keep: int,
) -> Path:
    """Write `step-NNNNNNNN` into `folder`; `keep` newest ones stay (0: all), older ones go when it is whole.

    step: optimizer steps done. tensors: parameters and buffers by name, whole ones. moments: what each optimizer remembers
    (`sharding.whole_moments`). facts: whatever else the run must know to go on (JSON). Raises OSError; nothing is left then.
    """
    target = folder / f"step-{step:08d}"
    temporary = unfinished(target)
    try:
        temporary.mkdir()
        save_file({name: t.detach().contiguous() for name, t in tensors.items()}, temporary / "model.safetensors")
        remembered, rest = _pack(moments)
        save_file(remembered, temporary / "optimizer.safetensors")
        (temporary / "state.json").write_text(json.dumps({"step": step, **facts, "optimizers": rest}, indent=2))
        for path in [*temporary.iterdir(), temporary]:
            sync(path)
        temporary.replace(target)
        sync(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise error if isinstance(error, OSError) else _os_error(error) from None
    prune(folder, keep)
    return target


def prune(folder: Path, keep: int) -> None:
    """Take all but the `keep` newest checkpoints away (0: none)."""
    for old in checkpoints_in(folder)[: -keep if keep else 0]:
        leaving = unfinished(old)  # half a checkpoint must not look like one
        old.replace(leaving)
        shutil.rmtree(leaving, ignore_errors=True)


def _os_error(error: Exception) -> OSError:
    """`No space left on device` of safetensors' `I/O error: No space left on device (os error 28)`."""
    number = re.search(r"os error (\d+)", str(error))
    return OSError(int(number[1]), os.strerror(int(number[1]))) if number else OSError(str(error))


def load_module(checkpoint: Path, module: nn.Module) -> None:
    """Put the saved parameters and state into `module`, all of them."""
    tensors = read_tensors(checkpoint / "model.safetensors")
    mine = module.state_dict()
    missing, extra = sorted(set(mine) - set(tensors)), sorted(set(tensors) - set(mine))
    if missing or extra:
        words = [f"lacks `{missing[0]}`" if missing else "", f"has `{extra[0]}` too much" if extra else ""]
        total = len(missing) + len(extra)
        message = f"checkpoint `{checkpoint}` {' and '.join(w for w in words if w)} ({total} names differ)"
        raise RunError(f"{message}: it belongs to another graph")
    for name, tensor in mine.items():
        if tensor.shape != tensors[name].shape:
            shapes = f"{tuple(tensors[name].shape)}, the graph {tuple(tensor.shape)}"
            raise RunError(f"checkpoint `{checkpoint}` has `{name}` of shape {shapes}")
        if tensor.dtype != tensors[name].dtype:
            raise RunError(
                f"checkpoint `{checkpoint}` has `{name}` as {tensors[name].dtype}, the graph as {tensor.dtype}"
            )
    with torch.no_grad():  # all of them fit: none is changed before that is known
        for name, tensor in mine.items():
            tensor.copy_(tensors[name])


def load_optimizers(checkpoint: Path, optimizers: Sequence[torch.optim.Optimizer], facts: Mapping[str, Any]) -> None:
    """Put the saved optimizer state back."""
    tensors = read_tensors(checkpoint / "optimizer.safetensors")
    try:
        _put_back(tensors, optimizers, facts)
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
        message = f"`{checkpoint}` holds the state of another optimizer: {str(error).splitlines()[0][:200] if str(error) else type(error).__name__}"
        raise RunError(f"{message}; begin a new run that starts from this one (`from: RUN`)") from None


def _put_back(
    tensors: Mapping[str, Tensor], optimizers: Sequence[torch.optim.Optimizer], facts: Mapping[str, Any]
) -> None:
    for i, optimizer in enumerate(optimizers):
        groups = optimizer.state_dict()["param_groups"]
        state: dict[str, dict[str, Any]] = {index: dict(values) for index, values in facts["optimizers"][i].items()}
        for name, tensor in tensors.items():
            which, index, key = name.split(".", 2)
            if int(which) == i:
                state.setdefault(index, {})[key] = tensor
        given = {"params", *optimizer.defaults}  # the recipe's, whatever a file says
        for g, group in enumerate(groups):
            group.update({key: value for key, value in state.pop(f"group{g}", {}).items() if key not in given})
        _fits(optimizer, {int(index): values for index, values in state.items()})
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        found = {int(index): _laid_out(values, parameters[int(index)]) for index, values in state.items()}
        optimizer.load_state_dict({"state": found, "param_groups": groups})


def _laid_out(values: dict[str, Any], parameter: Tensor) -> dict[str, Any]:
    """Moments in memory as they were when saved, like their parameter: LAMB's norms are sums in that order."""
    return {
        key: torch.empty_like(parameter, dtype=value.dtype, device="cpu").copy_(value)
        if isinstance(value, Tensor) and value.shape == parameter.shape
        else value
        for key, value in values.items()
    }


_LIKE_THE_PARAMETER = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer")
"""State that has the shape of its parameter in every optimizer that has it."""


def _fits(optimizer: torch.optim.Optimizer, state: Mapping[int, Mapping[str, Any]]) -> None:
    """ValueError where saved state belongs to no parameter, or to one of another shape."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for index, values in state.items():
        if not 0 <= index < len(parameters):
            raise ValueError(f"it has {len(parameters)} parameters, and the state one of number {index}")
        for key in _LIKE_THE_PARAMETER:
            value, shape = values.get(key), tuple(parameters[index].shape)
            if isinstance(value, Tensor) and len(value.shape) == len(shape) and tuple(value.shape) != shape:
                raise ValueError(f"`{key}` of parameter {index} has shape {tuple(value.shape)}, the parameter {shape}")


def read_facts(checkpoint: Path) -> dict[str, Any]:
    """The JSON side of a checkpoint."""
    return read_json(checkpoint / "state.json", FACTS_SCHEMA)


def _pack(
    moments: Sequence[Mapping[str, Mapping[str, Any]]],
) -> tuple[dict[str, Tensor], list[dict[str, dict[str, Any]]]]:
    """Optimizer state as named tensors, and what is no tensor as JSON."""
    tensors: dict[str, Tensor] = {}
    rest: list[dict[str, dict[str, Any]]] = []
    for i, each in enumerate(moments):
        plain: dict[str, dict[str, Any]] = {}
        for index, state in each.items():
            for key, value in state.items():
                if isinstance(value, Tensor):
                    tensors[f"{i}.{index}.{key}"] = value.detach().contiguous().clone()
                else:
                    plain.setdefault(str(index), {})[key] = value
        rest.append(plain)
    return tensors, rest
