"""Building and running on the meta device: what it finds, measures, and leaves alone."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import pytest
import timm
import torch

import graphssl
from graphssl.checks import dry_run as module
from graphssl.checks.dry_run import dry_run, measure
from graphssl.compiler import emit

METHODS = ("byol", "dino", "ibot", "infonce", "moco_v1", "moco_v2", "moco_v3", "simclr", "simsiam")
SMALL = """
graphssl: 1
name: small
nodes:
  v: {op: augment, recipe: quick, size: 32, count: 2}
  f: {op: encoder, in: v, arch: resnet18}
  g: {op: projector, in: f, dims: [64, 32]}
  h: {op: half, in: g}
  z: {op: gather, in: h}
  loss: {op: nt_xent, in: z}
represent: f
train: {optimizer: adamw, lr: 1e-3, epochs: 10, batch_size: 64}
"""


@pytest.mark.parametrize("method", METHODS)
def test_a_bundled_method_builds_and_runs_without_a_finding(method: str) -> None:
    assert graphssl.load(method).findings == []


def test_no_global_state_is_left_behind() -> None:
    graph = graphssl.load("byol@quick").checked_graph()
    torch.manual_seed(3)
    random, filters = torch.get_rng_state(), list(warnings.filters)
    assert dry_run(graph) == []
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.zeros(1).device.type == "cpu"
    assert torch.get_default_dtype() is torch.float32
    assert warnings.filters == filters


def test_sizes_and_shapes_are_measured() -> None:
    found = measure(graphssl.load("byol").checked_graph())
    assert found["f"]["outputs"] == {"pooled": [["b", 2048], ["b", 2048]]}
    assert found["f"]["parameters"] == found["f"]["trainable"] == 23_508_032  # ResNet-50 without its classifier
    assert found["ft"]["parameters"] == 23_508_032
    assert found["ft"]["trainable"] == 0
    assert found["g"]["trainable"] == 2048 * 4096 + 4096 + 2 * 4096 + 4096 * 256
    assert found["v1"]["outputs"] == {"image": [["b", 3, 224, 224]]}
    assert found["loss"]["outputs"] == {"loss": [[]]}


def test_nothing_is_measured_where_a_step_fails() -> None:
    assert measure(graphssl.load("simclr@quick", {"nodes.g.in": "f.cls"}).checked_graph()) == {}


def test_pretrained_weights_are_not_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    create = timm.create_model

    def record(*args: Any, pretrained: bool = False, **kwargs: Any) -> Any:
        asked.append(pretrained)
        return create(*args, pretrained=False, **kwargs)

    monkeypatch.setattr(timm, "create_model", record)
    assert graphssl.load("simclr@quick", {"nodes.f.pretrained": True}).findings == []
    assert asked == [False]


def test_a_shape_other_than_the_declared_one_is_called_a_bug() -> None:
    (finding,) = graphssl.load(SMALL, plugins=["tests.checks.faulty_ops"]).findings
    assert (finding.code, finding.node) == ("shape-contradiction", "h")
    assert "(4 16)" in finding.message
    assert "bug in graphssl" in (finding.help or "")


def test_a_teacher_that_could_be_trained_is_called_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    def copy_of(teacher: torch.nn.Module) -> torch.nn.Module:
        return copy.deepcopy(teacher)

    monkeypatch.setattr(emit, "copy_of", copy_of)
    findings = dry_run(graphssl.load("byol@quick").checked_graph())
    assert {(f.code, f.node) for f in findings} == {("gradient-into-teacher", "ft"), ("gradient-into-teacher", "gt")}


def test_a_failure_names_the_shapes_that_arrived() -> None:
    (finding,) = graphssl.load("simclr@quick", {"nodes.v2.size": 64}).findings
    assert finding.code == "run-failed"
    assert "`f` cannot run on `v1` (4 3 32 32), `v2` (4 3 64 64)" in finding.message


def test_a_failure_of_ours_is_called_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*_: Any) -> None:
        raise KeyError("momentum")

    monkeypatch.setattr(module, "build", build)
    (finding,) = graphssl.load("simclr@quick").findings
    assert finding.code == "build-failed"
    assert "bug in graphssl" in (finding.help or "")
    assert finding.span is not None


def test_parameters_without_gradient_are_counted_and_three_are_named() -> None:
    vit = {"op": "encoder", "in": ["v1", "v2"], "arch": "vit_tiny_patch16_224", "$replace": True}
    (finding,) = graphssl.load(
        "simclr@quick", {"nodes.f": vit | {"args": {"global_pool": "avg"}}, "nodes.g.in": "f.cls"}
    ).findings
    assert finding.message == "no loss reaches 2 of 150 parameters of `f`: `fc_norm.weight`, `fc_norm.bias`"


@pytest.mark.parametrize("arch", ["resnet18", "vit_tiny_patch16_224", "convnext_atto", "swin_tiny_patch4_window7_224"])
def test_families_of_timm_run_on_the_meta_device(arch: str) -> None:
    encoder = {"op": "encoder", "in": ["v1", "v2"], "arch": arch, "$replace": True, "drop_path": 0.1}
    method = graphssl.load("simclr@quick", {"nodes.f": encoder, "nodes.v1.size": 224, "nodes.v2.size": 224})
    assert method.findings == []


@pytest.mark.parametrize(
    ("optimizer", "codes"),
    [
        ("sgd", []),
        ("lars", []),
        ("lamb", []),
        ({"name": "adamw", "betas": [0.9, 0.95]}, []),
        ("adamv", ["unknown-optimizer"]),
        ({"name": "sgd", "momentun": 0.9}, ["bad-optimizer-argument"]),
        ({"name": "sgd", "momentum": -1}, ["bad-optimizer-argument"]),
        ({"name": "sgd", "weight_decay": 0.1}, ["bad-optimizer-argument"]),
        ({"name": "adamw", "betas": 3}, ["bad-optimizer-argument"]),
    ],
)
def test_the_optimizer_is_tried(optimizer: Any, codes: list[str]) -> None:
    given = optimizer if isinstance(optimizer, str) else {"$replace": True, **optimizer}
    assert [f.code for f in graphssl.load("simclr@quick", {"train.optimizer": given}).findings] == codes


def test_a_feature_map_is_smaller_than_the_image() -> None:
    watch = {"op": "stop_grad", "in": "f.map"}
    method = graphssl.load("simclr@quick", {"nodes.m": watch})
    assert [f.code for f in method.findings] == ["unused-node"]
    assert measure(method.checked_graph())["m"]["outputs"] == {"output": [["b", 256, 2, 2]] * 2}


@pytest.mark.parametrize("name", ["true", "none", "step_output", "nn", "torch", "class"])
def test_any_name_of_a_method_gives_a_class(name: str) -> None:
    assert graphssl.load("simclr@quick", {"name": name}).findings == []
