"""Nodes without gradient come first, unless they draw random numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphssl.passes import teachers_first
from tests.conftest import TOY_TRANSFORMER


def test_teachers_are_computed_before_students(toy: Callable[..., Any]) -> None:
    order = teachers_first.run(toy("dino").checked_graph()).plan.order
    assert [name for name in order if name in ("f", "h", "ft", "ht", "c", "p", "loss")] == [
        "ft", "ht", "c", "p", "f", "h", "loss",
    ]  # fmt: skip


def test_modules_are_built_in_the_order_of_the_file_whatever_is_computed_first(toy: Callable[..., Any]) -> None:
    from graphssl.compiler.emit import emit

    source = emit(teachers_first.run(toy("byol").checked_graph())).source
    assert (
        source.index("self.f = ") < source.index("self.g = ") < source.index("self.q = ") < source.index("self.ft = ")
    )


def test_a_teacher_with_stochastic_depth_stays_where_it_is(toy: Callable[..., Any]) -> None:
    more = {"nodes.f.drop_path": 0.1, "nodes.f.args": TOY_TRANSFORMER, "nodes.ft.drop_path": 0.1}
    assert teachers_first.run(toy("dino", **more).checked_graph()).plan.order == ()
    assert teachers_first.run(toy("dino", **{**more, "nodes.ft.drop_path": 0}).checked_graph()).plan.order
