"""The hand-written steps are the bundled graphs: `graphssl train` gives their losses and weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import graphssl
from benchmarks.contenders import SUBJECTS, batches, recipe_of, train_by_graphssl, views_of
from graphssl.data.loader import Batch
from graphssl.runtime import train as training
from graphssl.runtime.folder import RunFolder
from graphssl.runtime.options import Options
from graphssl.runtime.start import compiled
from tests.conftest import TOY_ENCODER, TOY_TRANSFORMER
from tests.runs import final

DATA, STEPS, PER_EPOCH = "shapes:32,32", 4, 2  # of 16 images each: two of the warm-up, two behind it


@pytest.fixture
def in_double(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is trained is so in float64: in float32 AdamW makes whole steps of the rounding of gradients that are zero."""
    monkeypatch.setattr(training, "compiled", lambda *method, **how: compiled(*method, **how).double())


@pytest.mark.parametrize("name", SUBJECTS)
@pytest.mark.usefixtures("in_double")
def test_the_hand_written_step_is_that_of_the_graph(name: str, tmp_path: Path) -> None:
    subject, toy = SUBJECTS[name], TOY_TRANSFORMER if name == "dino" else TOY_ENCODER
    method = subject.load(**{"nodes.f.args": toy, "train.batch_size": 16})
    given = [in_float64(batch) for batch in batches(method, STEPS, DATA)]
    torch.manual_seed(recipe_of(method).seed)
    start = graphssl.compile(method, steps=STEPS, steps_per_epoch=PER_EPOCH).double()
    by_hand = subject.by_hand(method, STEPS, PER_EPOCH).double()
    names = list(start.state_dict())
    for ours, own in zip(in_order(start.state_dict()), in_order(by_hand.state_dict()), strict=True):
        own.copy_(ours)

    options = Options(
        DATA, str(tmp_path / "run"), steps=STEPS, eval_every=0, log_every=1, measure_every=0, device="cpu"
    )
    train_by_graphssl(method, lambda *_, **__: iter(given), options)
    losses = [by_hand.step(views_of(batch)).item() for batch in given]

    assert losses == pytest.approx([record["loss"] for record in RunFolder(tmp_path / "run").metrics()], abs=1e-6)
    trained = final(tmp_path / "run")
    for ours, own in zip(
        in_order({name: trained[name] for name in names}), in_order(by_hand.state_dict()), strict=True
    ):
        torch.testing.assert_close(own, ours, rtol=1e-9, atol=1e-9)


def in_order(tensors: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """Those of a state, by the node they belong to."""
    return [tensors[name] for name in sorted(tensors, key=lambda name: name.partition(".")[0])]


def in_float64(batch: Batch) -> Batch:
    """The batch with views of that type."""
    views = {
        k: [v.double() for v in view] if isinstance(view, list) else view.double() for k, view in batch.views.items()
    }
    return replace(batch, views=views)
