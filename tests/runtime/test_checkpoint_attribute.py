"""`checkpoint: true` changes what is kept for the backward, and no number."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import graphssl
from graphssl.ops.modules.chance import by_sample, chance_of_step
from graphssl.ops.modules.encoder import encoder
from graphssl.ops.modules.recompute import recompute_blocks
from graphssl.runtime.bench.kept import Kept
from graphssl.runtime.folder import RunFolder
from tests.conftest import TOY_TRANSFORMER, toy_overrides, toy_views

DEEP = {"nodes.f.args": {**TOY_TRANSFORMER, "depth": 3, "proj_drop_rate": 0.2}}
PER_MICRO_BATCH = {"train.micro_batch": 8, "train.micro_batch_norm": "per_micro_batch"}
RUNS = [
    ("simclr", {}),
    ("simclr", PER_MICRO_BATCH),
    ("simclr", {"train.accumulate": 2}),
    ("moco_v2", {}),  # BatchNorm over groups, rows that trade places
    ("ibot", DEEP | {"nodes.f.drop_path": 0.4}),
    ("ibot", DEEP | PER_MICRO_BATCH | {"nodes.f.drop_path": 0.4}),
    ("dinov2", DEEP | {"nodes.f.drop_path": 0.4, "nodes.f.drop_path_exact": True}),
]


def tensors(run: Path, step: int = 3) -> dict[str, torch.Tensor]:
    """Weights, buffers and moments of a checkpoint."""
    folder = run / "checkpoints" / f"step-{step:08d}"
    return {**load_file(folder / "model.safetensors"), **load_file(folder / "optimizer.safetensors")}


def assert_same(one: Path, other: Path, step: int = 3) -> None:
    losses = [[(r["loss"], r["step"]) for r in RunFolder(run).metrics() if "loss" in r] for run in (one, other)]
    assert losses[0] == losses[1] and len(losses[0]) == step
    a, b = tensors(one, step), tensors(other, step)
    assert a.keys() == b.keys()
    assert [name for name in a if not torch.equal(a[name], b[name])] == []


@pytest.mark.parametrize(("name", "overrides"), RUNS)
def test_losses_weights_and_statistics_are_those_without_it(
    name: str, overrides: dict[str, Any], train: Any, tmp_path: Path
) -> None:
    for run, more in (("plain", {}), ("less", {"nodes.f.checkpoint": True})):
        train(name, tmp_path / run, overrides | more, steps=3, measure_every=0)
    assert_same(tmp_path / "plain", tmp_path / "less")


def test_a_run_goes_on_with_it_or_without(train: Any, tmp_path: Path) -> None:
    train("simclr", tmp_path / "whole", steps=4, measure_every=0)
    begun = {"steps": 4, "measure_every": 0, "checkpoint_every": 0.5}
    train("simclr", tmp_path / "parts", {"nodes.f.checkpoint": True}, **begun)
    shutil.rmtree(tmp_path / "parts" / "checkpoints" / "step-00000004")
    (tmp_path / "parts" / "summary.json").unlink()
    train("simclr", tmp_path / "parts", resume=True, **begun)
    assert_same(tmp_path / "whole", tmp_path / "parts", step=4)
    method = graphssl.load("simclr@quick", toy_overrides("simclr"))
    less = graphssl.load("simclr@quick", toy_overrides("simclr") | {"nodes.f.checkpoint": True})
    assert less.fingerprint == method.fingerprint
    assert list(graphssl.compile(less).state_dict()) == list(graphssl.compile(method).state_dict())


@pytest.mark.parametrize(
    ("arch", "size", "args"),
    [
        ("resnet50", 64, {}),
        ("vit_tiny_patch16_224", 64, {"depth": 6}),
        ("convnext_atto", 64, {}),
    ],
)
def test_less_is_kept_for_the_backward(arch: str, size: int, args: dict[str, Any]) -> None:
    most = []
    for checkpoint in (False, True):
        model = encoder(arch, image_sizes=(size,), checkpoint=checkpoint, args=args)
        kept = Kept(model, lambda: "")
        with kept.hooks():
            features = model(torch.rand(2, 3, size, size))
        most.append(kept.most.total())
        features.sum().backward()
        assert kept.now.total() == 0
    assert most[1] < most[0] / 3


class Drawing(nn.Module):
    """A block that is scaled by chance, by sample and by torch's own numbers; remembers what it was scaled by."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.drawn: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scale = by_sample(lambda n, generator: torch.rand(n, generator=generator), x)
        noise = torch.rand(len(x))
        self.drawn.append(torch.stack([scale, noise]))
        return self.norm(x) * (scale * noise)[:, None].exp()


def test_what_was_drawn_is_drawn_again_and_what_follows_is_not_disturbed() -> None:
    model = nn.Sequential(Drawing(), Drawing())
    recompute_blocks(model)
    with chance_of_step(0):
        y = model(torch.randn(4, 3, requires_grad=True))
        before = torch.get_rng_state()
        y.sum().backward()
        after = by_sample(lambda n, generator: torch.rand(n, generator=generator), y)
    for block in model:
        first, again = block.drawn
        assert torch.equal(first, again)
        assert block.norm.num_batches_tracked == 1
    assert torch.equal(before, torch.get_rng_state())
    with chance_of_step(0):
        third = [by_sample(lambda n, generator: torch.rand(n, generator=generator), y) for _ in range(3)][2]
    assert torch.equal(after, third)


def test_nothing_is_computed_twice_without_a_gradient() -> None:
    model = nn.Sequential(Drawing())
    recompute_blocks(model)
    with torch.no_grad():
        model(torch.randn(4, 3))
    assert len(model[0].drawn) == 1


def test_masks_and_intermediate_outputs_are_recomputed_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    from graphssl.ops.modules import recompute

    calls: list[int] = []
    original = recompute.checkpoint
    monkeypatch.setattr(recompute, "checkpoint", lambda *a, **k: calls.append(1) or original(*a, **k))
    method = graphssl.load("ibot@quick", toy_overrides("ibot") | DEEP | {"nodes.f.checkpoint": True})
    module = graphssl.compile(method)
    module(toy_views(method), 0).loss.backward()
    views = len(calls) / 3
    assert views == int(views) >= 2, "every block of the student in every call, and none of the teacher"


def test_a_model_without_blocks_is_refused() -> None:
    with pytest.raises(ValueError, match="`checkpoint` needs a model of repeated blocks, and DenseNet is none"):
        encoder("densenet121", checkpoint=True)
