"""What optimizers remember, as named tensors and JSON for a checkpoint, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

_LIKE_THE_PARAMETER = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer")
"""State that has the shape of its parameter in every optimizer that has it."""


def parameters_of(optimizer: torch.optim.Optimizer) -> list[Any]:
    """Its parameters by their number in a state dict."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def counted(optimizer: torch.optim.Optimizer, group: Mapping[str, Any]) -> dict[str, Any]:
    """What of a group the optimizer itself writes, not the recipe: LAMB and Adan count their steps there."""
    given = {"params", *optimizer.defaults}
    return {key: value for key, value in group.items() if key not in given}


def pack(
    remembered: Sequence[Mapping[str, Mapping[str, Any]]],
) -> tuple[dict[str, Tensor], list[dict[str, dict[str, Any]]]]:
    """Optimizer state as named tensors, and what is no tensor as JSON. remembered: as `sharding.whole_moments` gives it."""
    tensors: dict[str, Tensor] = {}
    rest: list[dict[str, dict[str, Any]]] = []
    for i, each in enumerate(remembered):
        plain: dict[str, dict[str, Any]] = {}
        for index, state in each.items():
            for key, value in state.items():
                if isinstance(value, Tensor):
                    tensors[f"{i}.{index}.{key}"] = value.detach().contiguous().clone()
                else:
                    plain.setdefault(index, {})[key] = value
        rest.append(plain)
    return tensors, rest


def put_back(
    tensors: Mapping[str, Tensor],
    rest: Sequence[Mapping[str, Mapping[str, Any]]],
    optimizers: Sequence[torch.optim.Optimizer],
) -> None:
    """What `pack` gave, into the optimizers it came from; raises one of many errors where it is that of others."""
    for i, optimizer in enumerate(optimizers):
        groups = optimizer.state_dict()["param_groups"]
        state: dict[str, dict[str, Any]] = {index: dict(values) for index, values in rest[i].items()}
        for name, tensor in tensors.items():
            which, index, key = name.split(".", 2)
            if int(which) == i:
                state.setdefault(index, {})[key] = tensor
        for g, group in enumerate(groups):
            group.update(counted(optimizer, state.pop(f"group{g}", {})))
        parameters = parameters_of(optimizer)
        found = {int(index): values for index, values in state.items()}
        for number, values in found.items():
            _require_fit(number, values, parameters)
        laid_out = {number: _laid_out(values, parameters[number]) for number, values in found.items()}
        optimizer.load_state_dict({"state": laid_out, "param_groups": groups})


def _require_fit(number: int, values: Mapping[str, Any], parameters: Sequence[Tensor]) -> None:
    """ValueError where saved state belongs to no parameter, or to one of another shape."""
    if not 0 <= number < len(parameters):
        raise ValueError(f"it has {len(parameters)} parameters, and the state one of number {number}")
    shape = tuple(parameters[number].shape)
    for key in _LIKE_THE_PARAMETER:
        value = values.get(key)
        if isinstance(value, Tensor) and len(value.shape) == len(shape) and tuple(value.shape) != shape:
            raise ValueError(f"`{key}` of parameter {number} has shape {tuple(value.shape)}, the parameter {shape}")


def _laid_out(values: Mapping[str, Any], parameter: Tensor) -> dict[str, Any]:
    """Moments in memory as they were when saved, like their parameter: LAMB's norms are sums in that order."""
    return {
        key: torch.empty_like(parameter, dtype=value.dtype, device="cpu").copy_(value)
        if isinstance(value, Tensor) and value.shape == parameter.shape
        else value
        for key, value in values.items()
    }
