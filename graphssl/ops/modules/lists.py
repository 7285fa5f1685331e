"""Feeding a list of views to one module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor


def as_list(value: Any) -> list[Any]:
    """A list of views as it is, one value as a list of one."""
    return value if isinstance(value, list) else [value]


def average(outputs: Sequence[Any]) -> Any:
    """One named tuple with the mean of each field."""
    return type(outputs[0])(*(torch.stack(list(values)).mean() for values in zip(*outputs, strict=True)))


def joint(module: Callable[..., Any], *lists: Sequence[Tensor]) -> list[Any]:
    """One call on all views together (BatchNorm sees them all), split again; outputs may be dicts of ports.

    lists: the views, and what else belongs to each of them, such as masks.
    """
    out, rows = module(*(torch.cat(list(views)) for views in lists)), [len(view) for view in lists[0]]
    if isinstance(out, dict):
        parts = {port: value.split(rows) for port, value in out.items()}
        return [{port: part[i] for port, part in parts.items()} for i in range(len(rows))]
    return list(out.split(rows))


def by_size(module: Callable[..., Any], *lists: Sequence[Tensor]) -> list[Any]:
    """One call for each run of views of one image size."""
    runs = groupby(zip(*lists, strict=True), key=lambda each: each[0].shape[1:])
    return [out for _, run in runs for out in joint(module, *zip(*run, strict=True))]


def side_by_side(module: Callable[..., Any], *given: Tensor | Sequence[Tensor]) -> list[Any]:
    """One call on all vectors (… d) of several values, each a tensor or a list of views; what each of them gives."""
    flat = [x.flatten(0, -2) for each in given for x in as_list(each)]
    parts = iter(module(torch.cat(flat)).split([len(x) for x in flat]))
    outputs: list[Any] = []
    for each in given:
        shaped = [next(parts).unflatten(0, x.shape[:-1]) for x in as_list(each)]
        outputs.append(shaped if isinstance(each, list) else shaped[0])
    return outputs
