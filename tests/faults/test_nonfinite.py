"""A step that is not finite is skipped, counted and undone; the node where it began is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from graphssl.runtime.errors import Stopped
from graphssl.runtime.folder import RunFolder
from graphssl.runtime.loop import Loop
from tests.runs import at_step, poison

Train = Callable[..., int]
INF = float("inf")


def value(loop: Loop) -> Any:
    return loop.module.g.register_forward_hook(lambda *call: call[-1] * INF)  # type: ignore[union-attr]


def gradient(loop: Loop) -> Any:
    def hook(_module: Any, _inputs: Any, output: Tensor) -> Tensor:
        if output.requires_grad:
            output.register_hook(lambda grad: grad * INF)
        return output

    return loop.module.g.register_forward_hook(hook)  # type: ignore[union-attr]


def weight(loop: Loop) -> None:
    with torch.no_grad():
        loop.module.get_parameter("f.conv1.weight")[0] = INF


@pytest.mark.parametrize(
    ("plant", "began"),
    [
        (value, r"at step 3 the first value that is not finite is that of `g` \(projector, .*simclr.yaml:\d+\)"),
        (
            gradient,
            r"at step 3 all values are finite, but the gradient that comes back to `f` \(encoder, .*:\d+\) is not",
        ),
        (weight, r"at step 3 `f` holds it already, in its weight or state `f.conv1.weight`"),
    ],
)
def test_many_in_a_row_stop_the_run_and_name_the_node(
    plant: Callable[[Loop], Any], began: str, train: Train, tmp_path: Path
) -> None:
    with at_step(3, plant), pytest.raises(Stopped, match=f"not finite 4 steps in a row; {began}.*; step 4 is saved"):
        train("simclr", tmp_path / "run", steps=20, max_skipped=4, checkpoint_every=0.5)


@pytest.mark.parametrize(("name", "spoil"), [("moco_v2", "value"), ("byol", "gradient"), ("dino", "value")])
def test_a_skipped_step_leaves_everything_as_it_was(
    name: str, spoil: str, train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    states: list[dict[str, Tensor]] = []

    def keep(loop: Loop) -> None:
        states.append({key: tensor.clone() for key, tensor in loop.module.state_dict().items()})

    def bad_once(loop: Loop) -> None:
        node = loop.module.get_submodule("h" if name == "dino" else "g")

        def hook(_module: Any, _inputs: Any, output: Tensor) -> Tensor:
            if spoil == "value":
                return output * INF
            if output.requires_grad:
                output.register_hook(lambda grad: grad * INF)
            return output

        handle = node.register_forward_hook(hook)
        loop.good_again = handle.remove  # type: ignore[attr-defined]

    def good_again(loop: Loop) -> None:
        loop.good_again()  # type: ignore[attr-defined]
        keep(loop)

    # before the step's own update: a slow copy that moves before the forward has moved once, not again
    moved = {"moco_v2": ("fk.", "gk.")}.get(name, ())
    with at_step(3, keep), at_step(3, bad_once), at_step(4, good_again):
        assert train(name, tmp_path / "run", steps=5) == 0
    before, after = states
    changed = [key for key in before if not torch.equal(before[key], after[key]) and not key.startswith(moved)]
    assert changed == []
    assert capsys.readouterr().err.count("skipped a step whose loss or gradient is not finite: at step 3") == 1
    assert [record.get("skipped", 0) for record in RunFolder(tmp_path / "run").metrics()] == [0, 0, 1, 1, 1]
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["skipped_steps"] == 1


def test_every_loss_must_be_finite_also_beside_one_that_is_called_loss(train: Train, tmp_path: Path) -> None:
    def spoil_once(loop: Loop) -> None:
        whole = loop.forward_and_backward

        def spoiled(*step: Any) -> dict[str, Tensor]:
            loop.forward_and_backward = whole  # type: ignore[method-assign]
            return {**whole(*step), "probe": torch.tensor(INF)}

        loop.forward_and_backward = spoiled  # type: ignore[method-assign]

    with at_step(3, spoil_once):
        assert train("simclr", tmp_path / "run", steps=4) == 0
    assert [record.get("skipped", 0) for record in RunFolder(tmp_path / "run").metrics()] == [0, 0, 1, 1]


def test_ten_in_a_row_are_the_most_and_the_data_may_be_at_fault(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison("vq", monkeypatch)
    with pytest.raises(Stopped, match="not finite 10 steps in a row; at step 1 the data has it already, in `vq`"):
        train("moco_v2", tmp_path / "run", steps=30)


def test_a_run_that_skipped_goes_on_as_it_would_have(train: Train, tmp_path: Path) -> None:
    """What is known of skipped steps is in the checkpoint."""
    with at_step(2, value), pytest.raises(Stopped):
        train("simclr", tmp_path / "run", steps=20, max_skipped=6, checkpoint_every=0.75)
    facts = json.loads((RunFolder(tmp_path / "run").latest_checkpoint() / "state.json").read_text())  # type: ignore[operator]
    assert facts["step"] == 6 and facts["memory"]["skips"]["in_a_row"] == 5
    with pytest.raises(Stopped, match="6 steps in a row; at step 2 the first value"), at_step(7, value):
        train("simclr", tmp_path / "run", steps=20, max_skipped=6, checkpoint_every=0.75, resume=True)
