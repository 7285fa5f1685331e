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

from graphssl.language.diagnostics import first_line
from graphssl.runtime import moments
from graphssl.runtime.errors import RunError
from graphssl.runtime.folder import checkpoints_in
from graphssl.runtime.untrusted import FACTS_SCHEMA, read_json, read_tensors
from graphssl.wholefile import sync, unfinished


def save(
    folder: Path,
    step: int,
    tensors: Mapping[str, Tensor],
    remembered: Sequence[Mapping[str, Mapping[str, Any]]],
    facts: Mapping[str, Any],
    *,
    keep: int,
) -> Path:
    """Write `step-NNNNNNNN` into `folder`; `keep` newest ones stay (0: all), older ones go when it is whole.

    step: optimizer steps done. tensors: parameters and buffers by name, whole ones. remembered: what each optimizer
    remembers (`sharding.whole_moments`). facts: whatever else the run must know to go on (JSON). Raises OSError; nothing is left then.
    """
    target = folder / f"step-{step:08d}"
    temporary = unfinished(target)
    try:
        temporary.mkdir()
        save_file({name: t.detach().contiguous() for name, t in tensors.items()}, temporary / "model.safetensors")
        packed, rest = moments.pack(remembered)
        save_file(packed, temporary / "optimizer.safetensors")
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
        moments.put_back(tensors, facts["optimizers"], optimizers)
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
        message = f"`{checkpoint}` holds the state of another optimizer: {first_line(error)[:200]}"
        raise RunError(f"{message}; begin a new run that starts from this one (`from: RUN`)") from None


def read_facts(checkpoint: Path) -> dict[str, Any]:
    """The JSON side of a checkpoint."""
    return read_json(checkpoint / "state.json", FACTS_SCHEMA)
