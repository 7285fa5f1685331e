"""Methods compiled with some passes, and what a few steps of them give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

import graphssl
from graphssl.passes import Pass
from graphssl.pipeline import Method
from tests.conftest import toy_views


def compiled(method: Method, passes: Sequence[Pass]) -> nn.Module:
    torch.manual_seed(0)
    return graphssl.compile(method, steps=10, steps_per_epoch=5, passes=passes)


def trained(method: Method, passes: Sequence[Pass], keep: tuple[str, ...] = ()) -> dict[str, Any]:
    """Losses of three steps of gradient descent, the last kept values, and the weights and buffers behind them."""
    module = compiled(method, passes)
    optimizer = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], lr=0.05)
    found: dict[str, Any] = {}
    for step in range(3):
        module.commit("before_forward", step)
        out = module(toy_views(method, seed=step), step, keep)
        optimizer.zero_grad()
        out.loss.backward()
        optimizer.step()
        module.commit("after_step", step)
        found[f"loss {step}"] = out.loss.detach()
    return {**found, "values": out.values, **module.state_dict()}


def assert_equal_numbers(one: dict[str, Any], other: dict[str, Any], exact: bool) -> None:
    tolerance = {"rtol": 0.0, "atol": 0.0} if exact else {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(one, other, **tolerance)
