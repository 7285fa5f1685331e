"""Every pass keeps the numbers of every method: losses, weights and state of three steps, and what was asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graphssl import passes
from graphssl.ir.dump import fingerprint
from graphssl.ir.plan import Plan
from graphssl.passes import PASSES, merged_calls, optimize
from tests.conftest import METHODS
from tests.passes.conftest import assert_equal_numbers, trained


@pytest.mark.parametrize("name", METHODS)
def test_the_passes_together_keep_losses_weights_state_and_kept_values(name: str, toy: Callable[..., Any]) -> None:
    method = toy(name)
    graph = method.checked_graph()
    keep = tuple(str(node.output(port)) for node in graph for port in node.outputs)
    plain = trained(method, (), keep)
    assert set(plain["values"]) == set(keep)
    assert_equal_numbers(plain, trained(method, PASSES, keep), exact=not optimize(graph).plan.batch)


def test_the_table_holds_every_file_of_the_folder() -> None:
    files = {path.stem for path in Path(passes.__file__).parent.glob("*.py")} - {"__init__", "layers"}
    assert {each.__name__.rpartition(".")[2] for each in PASSES} == files


@pytest.mark.parametrize("name", METHODS)
def test_a_pass_changes_the_plan_and_nothing_else(name: str, toy: Callable[..., Any]) -> None:
    graph = toy(name).checked_graph()
    planned = optimize(graph)
    assert graph.plan == Plan()
    assert planned.nodes == graph.nodes
    assert fingerprint(planned) == fingerprint(graph)
    assert not planned.plan.order or sorted(planned.plan.order) == sorted(graph.nodes)


def test_a_step_in_micro_batches_is_left_whole(toy: Callable[..., Any]) -> None:
    graph = toy("simclr", **{"train.micro_batch": 4, "nodes.f.batch": "per_view"}).checked_graph()
    plan = optimize(graph).plan
    assert not plan.on_request and not plan.joined
    assert merged_calls in PASSES
