"""How often a training step waits for the device: once, to hear whether it is finite. Counted on a CPU, where waiting costs nothing."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import graphssl
from graphssl.runtime.folder import RunFolder
from graphssl.runtime.options import Options
from graphssl.runtime.report import Report
from graphssl.runtime.start import accelerator_for
from graphssl.runtime.train import prepare, recipe_of
from tests.conftest import METHODS, toy_overrides
from tests.runtime.conftest import DATA

READS = ("tolist", "cpu", "numpy")
"""What brings a tensor to the host and is no operation of a CPU; `item`, `float`, `bool` and `if` come down to one that is."""
WAITING = {
    "_local_scalar_dense",
    "nonzero",
    "masked_select",
    "unique_consecutive",
    "_unique2",
    "equal",
    "repeat_interleave",
}
"""Operations whose result has a value or a shape that the host must know."""


class Reads(TorchDispatchMode):
    """Where the host reads values of tensors, while it is the mode."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def note(self, what: str) -> None:
        ours = [f for f in traceback.extract_stack() if "graphssl" in f.filename and "tests" not in f.filename]
        self.found.append(f"{what} at {Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else what)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        booleans = name.startswith("index") and any(
            isinstance(i, torch.Tensor) and i.dtype == torch.bool
            for arg in args
            if isinstance(arg, (list, tuple))
            for i in arg
        )
        if name in WAITING or booleans:
            self.note(name)
        return func(*args, **(kwargs or {}))


@contextmanager
def reads() -> Iterator[list[str]]:
    """What is read on the host within."""
    mode = Reads()

    def noting(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any, **kwargs: Any) -> Any:
            mode.note(name)
            return original(*args, **kwargs)

        return noted

    with pytest.MonkeyPatch.context() as patch:
        for name in READS:
            patch.setattr(torch.Tensor, name, noting(name, getattr(torch.Tensor, name)))
        with mode:
            yield mode.found


@pytest.fixture
def reads_of_a_step(tmp_path: Path) -> Callable[..., list[str]]:
    """`reads_of_a_step(name, overrides)`: of the third step, between the lines that are logged, its batch made before."""

    def count(name: str, overrides: dict[str, Any]) -> list[str]:
        method = graphssl.load(f"{name}@quick", {**toy_overrides(name), **overrides})
        options = Options(DATA, str(tmp_path), steps=4, eval_every=0, measure_every=0, device="cpu")
        graph, recipe = method.checked_graph(), recipe_of(method.checked_graph())
        accelerator = accelerator_for(recipe, options)
        ready = prepare(method, graph, recipe, options, accelerator, RunFolder(options.out))
        made = iter([next(ready.batches) for _ in range(3)])
        loop = ready.loop
        loop.model.train()
        with Report(0, loop.steps, active=False) as report:
            for step in (0, 1):
                loop.advance(made, step, report)
            with reads() as found:
                loop.advance(made, 2, report)
        return found

    return count


LARS = {"train.optimizer": {"$replace": True, "name": "lars", "momentum": 0.9}}


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        *((name, {}) for name in METHODS),
        ("byol", LARS),
        ("dino", {"train.optimizer": {"$replace": True, "name": "sgd", "momentum": 0.9}}),
        ("dinov2", {"nodes.f.drop_path": 0.3, "nodes.f.drop_path_exact": True, "nodes.f.args.depth": 2}),
        ("dino", {"train.micro_batch": 8, "nodes.h.norm": "none"}),
        ("simclr", {"train.accumulate": 2}),
    ],
)
def test_a_step_reads_from_the_device_once(
    name: str, overrides: dict[str, Any], reads_of_a_step: Callable[..., list[str]]
) -> None:
    found = reads_of_a_step(name, overrides)
    assert len(found) == 1 and found[0].startswith("tolist at loop.py"), found


@pytest.mark.parametrize(
    "read",
    [
        lambda x: float(x.sum()),
        lambda x: bool((x > 0).any()),
        lambda x: [] if x.max() > 3 else [1],
        lambda x: x[x > 0],
        lambda x: x.masked_fill_(x > 0, float(x[0])),
        lambda x: (x > 0).nonzero(),
        lambda x: x.sum().item(),
        lambda x: x.tolist(),
        lambda x: x.cpu(),
        lambda x: x.numpy(),
        lambda x: x.unique(),
        lambda x: torch.equal(x, x.clone()),
        lambda x: torch.repeat_interleave(x, (x > 0).long()),
    ],
)
def test_a_read_is_seen(read: Callable[[torch.Tensor], Any]) -> None:
    with reads() as found:
        read(torch.arange(-2.0, 2.0))
    assert len(found) == 1


def test_what_reads_nothing_is_not_counted() -> None:
    with reads() as found:
        x = torch.arange(-2.0, 2.0)
        torch.where(x > 0, x, 0.0)[torch.tensor([1, 0])].masked_fill(x[:2] > 0, 1.0).sum().isfinite()
    assert not found
