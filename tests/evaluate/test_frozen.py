"""What all protocols on frozen features hold: nothing moves, and data that cannot be judged is refused in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from graphssl.data.errors import DataError, NoSplit
from graphssl.evaluate.features import digest, evaluating, unmoved
from graphssl.evaluate.frozen import FrozenRun, Labelled, knn_of_run
from graphssl.runtime.errors import RunError


def test_a_batchnorm_that_moves_is_noticed_and_one_in_eval_mode_does_not() -> None:
    norm = nn.BatchNorm2d(3)
    images = torch.randn(4, 3, 2, 2)
    with unmoved(norm), evaluating(norm):
        norm(images)
    with pytest.raises(RunError, match="bug in graphssl"), unmoved(norm):
        norm(images)


@pytest.mark.parametrize("persistent", [True, False])
def test_the_digest_sees_each_bit_of_weights_and_buffers(persistent: bool) -> None:
    module = nn.Conv2d(2, 3, 1).to(memory_format=torch.channels_last)
    module.register_buffer("short", torch.zeros(2, dtype=torch.bfloat16), persistent=persistent)
    module.register_buffer("count", torch.tensor(1), persistent=persistent)
    tensors = [*module.parameters(), *module.buffers()]
    seen = {digest(module)}
    with torch.no_grad():
        for tensor in tensors:
            tensor.view(-1)[0] = 3
            seen.add(digest(module))
    assert len(tensors) == 4 and len(seen) == 5


def test_taking_features_moves_no_bit(trained: Callable[[str], Path]) -> None:
    run = FrozenRun(str(trained("simclr")), cache=False)
    before = digest(run.module)
    run.labelled("shapes:32,64")
    assert digest(run.module) == before
    assert any(isinstance(part, nn.BatchNorm2d) and part.running_mean.abs().sum() > 0 for part in run.module.modules())  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("places", "error", "words"),
    [
        (["train/0.png", "test/0.png"], DataError, "no labels"),
        (["train/a/0.png", "test/a/0.png"], DataError, "only one class"),
        (["train/a/0.png", "train/b/0.png"], NoSplit, "neither `test` nor `val`"),
        (["a/0.png", "b/0.png"], NoSplit, "no test images"),
        (["train/a/0.png", "train/b/0.png", "test/a/0.png", "test/c/0.png"], DataError, "the class `b` in its training images only"),
    ],
)  # fmt: skip
def test_data_that_cannot_be_judged_is_refused(
    trained: Callable[[str], Path], folder: Callable[..., Path], places: list[str], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        FrozenRun(str(trained("simclr")), cache=False).labelled(str(folder(*places)))


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"k": 65}, "use --k 64 or less"), ({"k": 0}, "k ≥ 1"), ({"temperature": 0.0}, "temperature > 0"), ({"images": 9}, "10 classes")],
)  # fmt: skip
def test_settings_that_give_no_vote_are_refused(
    trained: Callable[[str], Path], settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(RunError, match=words):
        knn_of_run(str(trained("simclr")), "shapes:32,64", features="pixels", **settings)


def test_fewer_training_images_are_as_many_of_each_class(trained: Callable[[str], Path]) -> None:
    run = FrozenRun(str(trained("simclr")), features="pixels")
    found = run.labelled("shapes:32,200", images=50)
    assert torch.bincount(found.bank_labels).tolist() == [5] * 10
    assert (found.about["bank"], found.about["queries"]) == (50, 50)


def test_the_held_out_tenth_is_balanced_and_apart(clusters: Callable[..., Labelled]) -> None:
    found = clusters(40, 5)
    held = found.held_out()
    assert torch.bincount(held.labels).tolist() == [4] * 3
    rows = torch.cat([held.bank, held.queries])
    assert rows.unique(dim=0).shape == found.bank.unique(dim=0).shape == (120, 5)
    assert torch.equal(held.queries, found.held_out().queries)


def test_too_few_images_to_hold_any_out_are_told(clusters: Callable[..., Labelled]) -> None:
    with pytest.raises(DataError, match="too few to hold a tenth"):
        clusters(2, 5).held_out()
