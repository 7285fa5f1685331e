"""What single rules decide from structure, beyond the malformed graphs of `tests/broken`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import graphssl
from graphssl.bundled import method_files
from graphssl.checks import CHECKS, reserved_name, static_findings
from graphssl.language.resolve import locate, variants_of


def codes(method: str, **overrides: Any) -> list[str]:
    paths = {path.replace("__", "."): value for path, value in overrides.items()}
    return [finding.code for finding in graphssl.load(method, paths).static]


def all_methods() -> list[str]:
    return [f"{name}{at}" for name in method_files() for at in ("", *(f"@{v}" for v in variants_of(locate(name)[0])))]


WARNED = {  # experiments of the paper that collapse, as the checks say
    "byol@no_predictor": ["collapse-risk"],
    "byol@no_target": ["missing-stop-gradient"],
}


@pytest.mark.parametrize("method", all_methods())
def test_bundled_methods_and_variants_have_no_static_finding(method: str) -> None:
    assert codes(method) == WARNED.get(method, [])


def test_the_names_of_torch_modules_are_all_reserved() -> None:
    from torch import nn

    assert {name for name in dir(nn.Module()) if not name.startswith("_")} <= reserved_name.MODULE_NAMES


def test_the_names_of_the_compiled_module_are_all_reserved() -> None:
    from torch import nn

    module = graphssl.compile("byol@quick")
    graph = graphssl.load("byol@quick").checked_graph()
    own = {name for name in dir(module) if not name.startswith("_")} - set(dir(nn.Module()))
    assert own - set(graph.nodes) - {"momentum"} <= reserved_name.GENERATED_NAMES


# Collapse: what counts as protection


def test_a_predictor_is_known_by_its_place_not_by_its_op() -> None:
    assert codes("byol@quick", nodes__q__op="projector") == []


def test_a_fixed_random_target_cannot_collapse() -> None:
    frozen = {"$replace": True, "op": "frozen", "of": "f", "in": ["v1", "v2"], "init": "random"}
    head = {"$replace": True, "op": "frozen", "of": "g", "in": "ft", "init": "random"}
    loss = {"prediction": "g", "target": "gt"}
    assert codes("byol@quick", nodes__q=None, nodes__loss__in=loss, nodes__ft=frozen, nodes__gt=head) == []


def test_negatives_elsewhere_protect_the_same_weights() -> None:
    extra = {"op": "nt_xent", "in": "z"}
    z = {"op": "gather", "in": "g"}
    loss = {"prediction": "g", "target": "gt"}
    assert codes("byol@quick", nodes__q=None, nodes__loss__in=loss, nodes__z=z, nodes__contrast=extra) == []
    assert codes("byol@quick", nodes__q=None, nodes__loss__in=loss) == ["collapse-risk"]


def test_a_probe_protects_nothing() -> None:
    assert codes("simsiam@quick", nodes__t=None, nodes__loss__in__target="g") == ["missing-stop-gradient"]


def test_one_view_on_both_sides_may_be_meant() -> None:
    one = {"nodes__vk": None, "nodes__fk__in": "vq"}
    assert codes("moco_v2@quick", **one) == ["same-view"]
    assert codes("moco_v2@quick", **one, nodes__loss__pairs="same") == []


# Evaluation path


@pytest.mark.parametrize("name", ["f", "g", "ft", "f.pooled"])
def test_features_on_a_path_can_be_represented(name: str) -> None:
    assert codes("byol@quick", represent=name) == []


def test_views_that_took_different_ways_are_no_path() -> None:
    more = {"nodes__f2": {"op": "encoder", "in": "v1", "arch": "resnet18"}, "nodes__g__in": ["f", "f2"]}
    found = codes("simclr@quick", **more, represent="g", nodes__probe=None, nodes__y=None, monitors=None)
    assert "represent-not-a-path" in found


# Groups, queues, schedules


def test_a_queue_is_measured_against_all_views_of_a_step() -> None:
    views = {
        "nodes__vk": None,
        "nodes__fk__in": ["vq", "v2"],
        "nodes__v2": {"op": "augment", "recipe": "quick", "size": 32},
    }
    found = graphssl.load(
        "moco_v2@quick",
        {**{k.replace("__", "."): v for k, v in views.items()}, "nodes.f.in": ["vq", "v2"], "params.queue": 500},
    )
    assert [f.code for f in found.static] == ["queue-not-longer-than-batch"]
    assert "one step writes 512" in found.static[0].message


def test_a_warm_up_may_be_given_in_steps_or_percent() -> None:
    assert codes("simclr@quick", train__warmup="100%") == ["warmup-longer-than-training"]
    assert codes("simclr@quick", train__warmup="10%") == []
    assert codes("simclr@quick", train__warmup="500steps") == []


def test_an_ema_that_ends_at_one_moves_before() -> None:
    assert codes("byol@quick", schedules__tau__cosine__to=1.0) == []


# Robustness


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parent.parent / "broken").rglob("*.yaml")), ids=lambda p: p.stem
)
def test_no_rule_stumbles_over_a_broken_graph(path: Path) -> None:
    graph = graphssl.load(str(path)).graph
    if graph is not None:
        static_findings(graph)


def test_rules_are_listed_once() -> None:
    assert len(CHECKS) == len({rule.EXPLAIN.code for rule in CHECKS})
