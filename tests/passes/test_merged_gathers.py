"""Views are gathered in one exchange; that its numbers are those of several: tests/ops/test_ranks.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphssl.compiler.emit import emit
from graphssl.passes import merged_gathers


def test_lists_are_gathered_at_once(toy: Callable[..., Any]) -> None:
    graph = toy("simclr").checked_graph()
    assert "z = [gather(x, grad=True) for x in g]" in emit(graph).source
    assert "z = gather(g, grad=True)" in emit(merged_gathers.run(graph)).source


def test_what_is_no_list_or_no_gather_is_left_alone(toy: Callable[..., Any]) -> None:
    assert merged_gathers.run(toy("byol").checked_graph()).plan.at_once == set()
    assert merged_gathers.run(
        toy("byol", **{"nodes.keys": {"op": "gather", "in": "gt"}}).checked_graph()
    ).plan.at_once == {"keys"}
