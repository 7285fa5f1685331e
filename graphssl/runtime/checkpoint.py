"""Checkpoints: safetensors for tensors, JSON for the rest; written whole or not at all; loading executes nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from graphssl.runtime.errors import RunError


def save(
    folder: Path,
    step: int,
    module: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    facts: Mapping[str, Any],
    *,
    keep: int,
) -> Path:
    """Write `step-NNNNNNNN` under `folder`; `keep` newest ones stay.

    step: optimizer steps done. facts: whatever else the run must know to go on (JSON).
    """
    target = folder / f"step-{step:08d}"
    temporary = folder / f".{target.name}.{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        save_file(
            {name: t.detach().contiguous() for name, t in module.state_dict().items()}, temporary / "model.safetensors"
        )
        tensors, rest = _pack(optimizers)
        save_file(tensors, temporary / "optimizer.safetensors")
        (temporary / "state.json").write_text(json.dumps({"step": step, **facts, "optimizers": rest}, indent=2))
        for file in temporary.iterdir():
            _sync(file)
        shutil.rmtree(target, ignore_errors=True)
        temporary.replace(target)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise RunError(f"cannot write the checkpoint `{target}`: {(error.strerror or str(error)).lower()}") from None
    for old in sorted(folder.glob("step-*"))[: -keep if keep else None]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def load_module(checkpoint: Path, module: nn.Module) -> None:
    """Put the saved parameters and state into `module`, all of them."""
    try:
        tensors = load_file(checkpoint / "model.safetensors")
    except (OSError, SafetensorError) as error:
        raise RunError(f"cannot read `{checkpoint / 'model.safetensors'}`: {error}") from None
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
        with torch.no_grad():
            tensor.copy_(tensors[name])


def load_optimizers(checkpoint: Path, optimizers: Sequence[torch.optim.Optimizer], facts: Mapping[str, Any]) -> None:
    """Put the saved optimizer state back."""
    try:
        tensors = load_file(checkpoint / "optimizer.safetensors")
    except (OSError, SafetensorError) as error:
        raise RunError(f"cannot read `{checkpoint / 'optimizer.safetensors'}`: {error}") from None
    for i, optimizer in enumerate(optimizers):
        current = optimizer.state_dict()
        state: dict[int, dict[str, Any]] = {}
        for index, values in facts["optimizers"][i].items():
            state[int(index)] = dict(values)
        for name, tensor in tensors.items():
            which, index, key = name.split(".", 2)
            if int(which) == i:
                state.setdefault(int(index), {})[key] = tensor
        optimizer.load_state_dict({"state": state, "param_groups": current["param_groups"]})


def read_facts(checkpoint: Path) -> dict[str, Any]:
    """The JSON side of a checkpoint."""
    try:
        facts: dict[str, Any] = json.loads((checkpoint / "state.json").read_text())
        return facts
    except (OSError, json.JSONDecodeError) as error:
        raise RunError(f"cannot read `{checkpoint / 'state.json'}`: {error}") from None


def _pack(optimizers: Sequence[torch.optim.Optimizer]) -> tuple[dict[str, Tensor], list[dict[str, dict[str, Any]]]]:
    """Optimizer state as named tensors, and what is no tensor as JSON."""
    tensors: dict[str, Tensor] = {}
    rest: list[dict[str, dict[str, Any]]] = []
    for i, optimizer in enumerate(optimizers):
        plain: dict[str, dict[str, Any]] = {}
        for index, state in optimizer.state_dict()["state"].items():
            for key, value in state.items():
                if isinstance(value, Tensor):
                    tensors[f"{i}.{index}.{key}"] = value.detach().contiguous().clone()
                else:
                    plain.setdefault(str(index), {})[key] = value
        rest.append(plain)
    return tensors, rest


def _sync(file: Path) -> None:
    with file.open("rb") as handle:
        os.fsync(handle.fileno())
