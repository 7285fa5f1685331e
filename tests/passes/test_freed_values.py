"""A teacher's large values are gone after their last use, unless they are asked for."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch

from graphssl.passes import freed_values
from tests.conftest import toy_views
from tests.passes.conftest import compiled


def test_it_frees_logits_and_tokens_behind_their_last_reader(toy: Callable[..., Any]) -> None:
    freed = freed_values.run(toy("dinov2").checked_graph()).plan.freed
    assert freed == {"t": ("ft",), "c": ("ht",), "p": ("c",), "cp": ("htp",), "pp": ("cp",)}


def test_features_and_what_a_loss_takes_stay(toy: Callable[..., Any]) -> None:
    assert freed_values.run(toy("byol").checked_graph()).plan.freed == {}


def test_the_memory_is_free_when_the_student_is_called(toy: Callable[..., Any]) -> None:
    method = toy("dino")
    assert alive_at_the_loss(method, ()) and not alive_at_the_loss(method, (freed_values,))


def alive_at_the_loss(method: Any, passes: tuple[Any, ...]) -> bool:
    """Whether the teacher's logits are in memory when the loss begins."""
    module = compiled(method, passes)
    logits: list[weakref.ref[torch.UntypedStorage]] = []
    alive: list[bool] = []
    module.ht.register_forward_hook(lambda _, __, out: logits.append(weakref.ref(out.untyped_storage())))
    loss = module.forward.__globals__["soft_cross_entropy"]

    def watched(**given: Any) -> torch.Tensor:
        alive.append(any(ref() is not None for ref in logits))
        return loss(**given)

    module.forward.__globals__["soft_cross_entropy"] = watched
    out = module(toy_views(method))
    assert alive and out.loss.isfinite()
    return any(alive)


def test_a_freed_value_can_be_kept(toy: Callable[..., Any]) -> None:
    method = toy("dino")
    kept = [compiled(method, passes)(toy_views(method), keep=("ht",)).values["ht"] for passes in ((), (freed_values,))]
    assert all(torch.equal(a, b) for a, b in zip(*kept, strict=True))
