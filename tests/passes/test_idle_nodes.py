"""What nothing needs is computed only in steps that keep values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import graphssl
from graphssl.passes import idle_nodes
from tests.conftest import toy_overrides, toy_views
from tests.passes.conftest import compiled

SLOW = {"op": "ema", "of": "f", "in": "v1", "momentum": 0.9}


def idle(method: Any) -> set[str]:
    return set(idle_nodes.run(method.checked_graph()).plan.on_request)


def test_a_slow_copy_in_eval_mode_that_only_evaluation_takes_is_idle(toy: Callable[..., Any]) -> None:
    assert idle(toy("simclr", **{"nodes.slow": {**SLOW, "mode": "eval"}, "represent": "slow"})) == {"slow"}


def test_its_forward_stays_where_it_moves_the_statistics_that_evaluation_uses(toy: Callable[..., Any]) -> None:
    assert idle(toy("simclr", **{"nodes.slow": SLOW, "represent": "slow"})) == set()


def test_what_a_state_stores_or_a_monitor_watches_is_needed(toy: Callable[..., Any]) -> None:
    assert idle(toy("moco_v2")) == set()
    assert idle(toy("simclr")) == set()


def test_it_is_not_called_unless_its_value_is_kept() -> None:
    more = {
        "nodes.slow": {**SLOW, "mode": "eval"},
        "represent": "slow",
        "nodes.n": {"op": "l2_normalize", "in": "slow"},
    }
    method = graphssl.load("simclr@quick", {**toy_overrides("simclr"), **more})
    module, views = compiled(method, (idle_nodes,)), toy_views(method)
    calls = []
    module.slow.register_forward_hook(lambda *_: calls.append(1))
    assert module(views).values == {}
    assert not calls
    assert module(views, keep=("n",)).values["n"].norm(dim=1).allclose(views["v1"].new_ones(8))
    assert len(calls) == 1
