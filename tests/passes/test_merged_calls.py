"""One call where a module sees each row alone; several where it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from graphssl.passes import merged_calls
from tests.conftest import TOY_TRANSFORMER
from tests.passes.conftest import assert_equal_numbers, compiled, toy_views, trained


def vit(**more: Any) -> dict[str, Any]:
    """BYOL's encoder as a small transformer."""
    args = {**TOY_TRANSFORMER, "depth": 2, **more.pop("args", {})}
    return {
        "nodes.f": {
            "$replace": True,
            "op": "encoder",
            "in": ["v1", "v2"],
            "arch": "vit_tiny_patch16_224",
            "args": args,
            **more,
        }
    }


PLAIN_HEAD = {"nodes.h.norm": "none"}


def plan(method: Any) -> Any:
    return merged_calls.run(method.checked_graph()).plan


def calls(method: Any, name: str, passes: tuple[Any, ...]) -> int:
    """How often a module is called in a step."""
    module, found = compiled(method, passes), []
    getattr(module, name).register_forward_hook(lambda *_: found.append(1))
    module(toy_views(method))
    return len(found)


def test_views_of_a_transformer_are_fed_together(toy: Callable[..., Any]) -> None:
    method = toy("byol", **vit())
    assert plan(method).batch == {"f": "by_size", "ft": "by_size"}  # the heads have BatchNorm
    assert (calls(method, "f", ()), calls(method, "f", (merged_calls,))) == (2, 1)
    assert_equal_numbers(trained(method, ()), trained(method, (merged_calls,)), exact=False)


@pytest.mark.parametrize("more", [{"drop_path": 0.2}, {"args": {"proj_drop_rate": 0.1}}])
def test_chance_is_left_to_the_calls_that_the_file_says(more: dict[str, Any], toy: Callable[..., Any]) -> None:
    assert "f" not in plan(toy("byol", **vit(**more))).batch


def test_a_network_with_batch_norm_is_called_view_by_view(toy: Callable[..., Any]) -> None:
    assert plan(toy("byol")).batch == {}


@pytest.mark.parametrize("name", ["ibot", "dinov2"])
def test_a_head_takes_class_and_patch_tokens_in_one_call(name: str, toy: Callable[..., Any]) -> None:
    method = toy(name, **PLAIN_HEAD)
    assert plan(method).joined == {"h": ("hp",), "ht": ("htp",)}
    assert (calls(method, "h", ()), calls(method, "h", (merged_calls,))) == (2, 1)
    assert_equal_numbers(trained(method, ()), trained(method, (merged_calls,)), exact=False)


def test_calls_that_depend_on_each_other_are_not_joined(toy: Callable[..., Any]) -> None:
    more = {
        "nodes.again": {"op": "share", "of": "q", "in": "q"},
        "nodes.q.norm": "none",
        "nodes.loss.in.prediction": "again",
    }
    assert plan(toy("byol", **{**more, "nodes.q.dims": [16, 64]})).joined == {}
