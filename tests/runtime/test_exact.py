"""Exact accumulation: micro-batches give the losses, gradients and state of the whole batch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator

import graphssl
from graphssl.ir.signature import Module
from graphssl.language.diagnostics import GraphError
from graphssl.runtime.errors import RunError
from graphssl.runtime.exact import ExactAccumulation
from graphssl.runtime.folder import RunFolder
from tests.conftest import METHODS, toy_overrides, toy_views

ROWS, PART = 16, 4

BARLOW = """
graphssl: 1
name: barlow_type
nodes:
  v: {op: augment, recipe: quick, size: 32, count: 2}
  f: {op: encoder, in: v, arch: vit_tiny_patch16_224, args: {patch_size: 16, embed_dim: 16, depth: 1, num_heads: 2, img_size: 32}}
  g: {op: projector, in: f, dims: [32, 32], norm: none}
  loss: {op: vicreg_loss, in: g}
represent: f
train: {optimizer: sgd, lr: 0.1, epochs: 1, batch_size: 16, micro_batch: 4}
"""
SWAV = BARLOW.replace("barlow_type", "sinkhorn_type").replace(
    "loss: {op: vicreg_loss, in: g}",
    """l: {op: prototypes, in: g, count: 24}
  t: {op: sinkhorn, in: l, temperature: 0.05}
  loss: {op: soft_cross_entropy, in: {prediction: l, target: t}, pairs: cross}""",
)


def grouped(name: str, **more: Any) -> Any:
    """A toy method whose BatchNorm layers all have groups of a micro-batch, so that parts and whole have the same."""
    overrides = {**toy_overrides(name), "train.batch_size": ROWS}
    modules = [
        node for node in graphssl.load(f"{name}@quick", overrides).checked_graph() if issubclass(node.op, Module)
    ]
    return graphssl.load(f"{name}@quick", overrides | {f"nodes.{node.name}.bn_group": PART for node in modules} | more)


def parts(views: dict[str, Any], rows: int) -> list[Callable[[], dict[str, Any]]]:
    def part(i: int) -> dict[str, Any]:
        own = slice(i * rows, (i + 1) * rows)
        return {k: [x[own] for x in v] if isinstance(v, list) else v[own] for k, v in views.items()}

    return [partial(part, i) for i in range(ROWS // rows)]


def trained(method: Any, rows: int | None, steps: int = 3) -> dict[str, torch.Tensor]:
    """Losses, gradients and all parameters and registers of a few steps, the batch whole or in parts."""
    torch.manual_seed(0)
    graph = method.checked_graph()
    module = graphssl.compile(method, steps=10, steps_per_epoch=5).double()
    exact = ExactAccumulation(graph, module, Accelerator(cpu=True)) if rows else None
    optimizer = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], lr=0.1)
    found: dict[str, torch.Tensor] = {}
    for step in range(steps):
        views = toy_views(method, batch=ROWS, seed=step, dtype=torch.float64)
        optimizer.zero_grad()
        module.commit("before_forward", step)  # type: ignore[operator]
        if exact and rows:
            out = exact(parts(views, rows), step)
        else:
            out = module(views, step)
            out.loss.backward()
        found |= {
            f"gradient {step} {name}": p.grad.clone() for name, p in module.named_parameters() if p.grad is not None
        }
        optimizer.step()
        module.commit("after_step", step)  # type: ignore[operator]
        found |= {
            f"{name} {step}": value.detach() for name, value in {"loss": out.loss, **out.losses, **out.monitors}.items()
        }
    return found | module.state_dict()


def assert_equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name, value in a.items():
        apart = (value.double() - b[name].double()).abs().max() if value.numel() else torch.zeros(())
        assert apart <= 1e-9 * value.double().abs().max().clamp(min=1e-3), name


@pytest.mark.parametrize("name", METHODS)
def test_parts_give_what_the_whole_batch_gives(name: str) -> None:
    exact = grouped(name, **{"train.micro_batch": PART})
    assert_equal(trained(grouped(name), None), trained(exact, PART))


@pytest.mark.parametrize("text", [BARLOW, SWAV])
def test_losses_on_statistics_of_the_batch(text: str) -> None:
    method = graphssl.load(text)
    whole = trained(method, None)
    assert_equal(whole, trained(method, PART))
    assert_equal(whole, trained(method, 8))


def test_a_part_that_is_dropped_would_be_seen() -> None:
    """The comparison itself: accumulating the parts' own losses is something else for a contrastive loss."""
    method = graphssl.load(SWAV)
    torch.manual_seed(0)
    module = graphssl.compile(method, steps=10, steps_per_epoch=5).double()
    views = toy_views(method, batch=ROWS, dtype=torch.float64)
    whole = module(views, 0).loss.detach()
    mean = sum(module(part(), 0).loss.detach() for part in parts(views, PART)) * PART / ROWS
    assert abs(float(whole - mean)) > 1e-4 * float(whole)


def test_dropout_is_replayed() -> None:
    """With drop-path, the second pass draws what the first drew: the gradient is that of the loss that is told."""
    method = graphssl.load(BARLOW.replace("depth: 1", "depth: 2, drop_path_rate: 0.5"))
    module = graphssl.compile(method, steps=10, steps_per_epoch=5).double()
    exact = ExactAccumulation(method.checked_graph(), module, Accelerator(cpu=True))
    views = toy_views(method, batch=ROWS, dtype=torch.float64)
    weight = module.get_parameter("f.blocks.0.mlp.fc1.weight")

    def loss_at(shift: float) -> torch.Tensor:
        torch.manual_seed(3)
        with torch.no_grad():
            weight[0, 0] += shift
        module.zero_grad()
        loss = exact(parts(views, PART), 0).loss.detach()
        with torch.no_grad():
            weight[0, 0] -= shift
        return loss

    slope = (loss_at(1e-5) - loss_at(-1e-5)) / 2e-5
    loss_at(0.0)
    assert weight.grad is not None
    assert float(weight.grad[0, 0]) == pytest.approx(float(slope), rel=1e-5)


def test_values_are_kept_of_the_last_part_before_samples_meet_and_of_all_behind() -> None:
    method = graphssl.load(SWAV)
    module = graphssl.compile(method, steps=10, steps_per_epoch=5)
    exact = ExactAccumulation(method.checked_graph(), module, Accelerator(cpu=True))
    out = exact(parts(toy_views(method, batch=ROWS), PART), 0, keep=("g", "t", "f"))
    assert set(out.values) == {"g", "t", "f"}
    assert len(out.values["g"][0]) == PART and len(out.values["t"][0]) == ROWS


def test_a_run_in_micro_batches_equals_one_without_also_when_measured_and_resumed(train: Any, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    plain = {"nodes.h.norm": "none", "nodes.f.args.drop_path_rate": 0}
    train("dino", whole, plain, steps=4, measure_every=2)
    small = {**plain, "train.micro_batch": 4}
    train("dino", parts, small, steps=2, measure_every=2)
    train("dino", parts, small, steps=4, measure_every=2, resume=True, allow_changed=True)
    a, b = (list(RunFolder(run).metrics()) for run in (whole, parts))
    assert [r["loss"] for r in a] == pytest.approx([r["loss"] for r in b], rel=1e-5)
    assert a[-1]["nodes"].keys() == b[-1]["nodes"].keys()
    assert a[-1]["nodes"]["loss"] == pytest.approx(b[-1]["nodes"]["loss"], rel=1e-4), "judged on the whole batch"


@pytest.mark.parametrize(
    ("overrides", "error", "words"),
    [
        ({"train.micro_batch": 5}, RunError, "cannot be split into micro-batches of 5"),
        ({"train.micro_batch": 4}, GraphError, "`f` has BatchNorm, whose statistics would be those of 4 samples"),
    ],
)
def test_what_cannot_be_split_is_refused(
    overrides: dict[str, Any], error: type[Exception], words: str, train: Any, tmp_path: Path
) -> None:
    with pytest.raises(error, match=words):
        train("simclr", tmp_path / "run", overrides, steps=2)
    assert not (tmp_path / "run").exists()


def test_batch_norm_of_micro_batches_is_taken_where_it_is_declared(train: Any, tmp_path: Path) -> None:
    declared = {"train.micro_batch": 4, "train.micro_batch_norm": "per_micro_batch"}
    assert train("simclr", tmp_path / "run", declared, steps=2) == 0
