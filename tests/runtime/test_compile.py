"""`--compile`: whole blocks, each once, with the numbers of the blocks as they are written. No compiler is needed here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._dynamo as dynamo
from timm.models.resnet import BasicBlock
from torch._dynamo.utils import counters

import graphssl
from graphssl.runtime import regions
from graphssl.runtime.errors import RunError
from graphssl.runtime.folder import RunFolder
from graphssl.runtime.loop import Loop
from tests.conftest import TOY_TRANSFORMER, toy_overrides

pytestmark = pytest.mark.filterwarnings(
    "ignore:The .grad attribute of a Tensor that is not a leaf"
)  # dynamo asks for it
DEEP = {"nodes.f.args": {**TOY_TRANSFORMER, "depth": 4}, "nodes.f.drop_path": 0.4}


@pytest.fixture(autouse=True)
def traced_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compiled code is run operation by operation."""
    monkeypatch.setattr(regions, "BACKEND", "aot_eager")
    dynamo.reset()
    counters.clear()
    yield
    dynamo.reset()


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many there have been after each step, and the breaks of graphs."""
    after: list[int] = []
    step = Loop.step

    def counted(self: Loop, *arguments: Any) -> Any:
        out = step(self, *arguments)
        after.append(counters["stats"]["unique_graphs"])
        return out

    monkeypatch.setattr(Loop, "step", counted)
    return after


@pytest.mark.parametrize(
    ("name", "overrides", "graphs"),
    [
        ("simclr", {}, 8 + 1),  # no two blocks of a ResNet-18 have one shape; the projector
        # the student's first block and the others, on images of two sizes; the teacher's; two heads
        pytest.param("dino", DEEP, 2 * 2 + 1 + 2, marks=pytest.mark.slow),
        *(
            pytest.param(*case, None, marks=pytest.mark.slow)
            for case in (
                ("moco_v2", {}),
                ("byol", {}),
                ("ibot", DEEP),
                ("dinov2", DEEP | {"nodes.f.drop_path_exact": True}),
                ("dino", DEEP | {"train.micro_batch": 8, "nodes.h.norm": "none"}),
            )
        ),
    ],
)
def test_compiled_blocks_give_the_losses_and_none_is_compiled_after_the_first_step(
    name: str, overrides: dict[str, Any], graphs: int | None, compilations: list[int], train: Any, tmp_path: Path
) -> None:
    found = []
    for compiled in (False, True):
        out = tmp_path / str(compiled)
        train(name, out, overrides, steps=3, compile=compiled, measure_every=2, eval_every=1, eval_samples=20)
        found.append([line["loss"] for line in RunFolder(out).metrics() if "loss" in line])
    assert found[1] == pytest.approx(found[0], rel=1e-4)
    assert not counters["graph_break"]
    none, first = [0] * 3, compilations[3]
    assert compilations == [*none, first, first, first] and first > 0
    assert first == graphs or graphs is None


def test_a_block_that_cannot_be_compiled_whole_ends_in_one_sentence(
    train: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original: Any = BasicBlock.forward

    def broken(self: Any, x: torch.Tensor) -> torch.Tensor:
        dynamo.graph_break()  # nothing where nothing is compiled
        return original(self, x)

    monkeypatch.setattr(BasicBlock, "forward", broken)
    with pytest.raises(RunError, match="torch cannot compile `f`: leave --compile out") as error:
        train("simclr", tmp_path / "run", steps=2, compile=True)
    assert "\n" not in str(error.value)


def test_without_a_compiler_nothing_is_begun(train: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._inductor import cpp_builder
    from torch._inductor.exc import InvalidCxxCompiler

    def none() -> str:
        raise InvalidCxxCompiler

    monkeypatch.setattr(regions, "BACKEND", "inductor")
    monkeypatch.setattr(cpp_builder, "get_cpp_compiler", none)
    with pytest.raises(RunError, match="--compile needs a C"):
        train("simclr", tmp_path / "run", steps=2, compile=True)
    assert not (tmp_path / "run" / "method.yaml").exists()


def test_blocks_that_are_computed_again_are_refused(train: Any, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="`f` has `checkpoint: true`, which --compile cannot keep"):
        train("simclr", tmp_path / "run", {"nodes.f.checkpoint": True}, steps=2, compile=True)


def test_names_of_weights_stay() -> None:
    method = graphssl.load("dino@quick", toy_overrides("dino") | DEEP)
    module = graphssl.compile(method)
    before = list(module.state_dict())
    regions.compile_regions(module, method.checked_graph())
    assert list(module.state_dict()) == before
