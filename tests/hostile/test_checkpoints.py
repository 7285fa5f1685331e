"""A hostile checkpoint or run folder executes nothing and ends in one sentence."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from graphssl.evaluate.run import load_run
from graphssl.language.diagnostics import GraphError
from graphssl.runtime import checkpoint
from graphssl.runtime.errors import RunError
from graphssl.runtime.memory import remember
from graphssl.runtime.skips import Skips
from tests.conftest import toy_overrides

Train = Callable[..., int]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps, never changed."""
    import graphssl
    from graphssl.runtime.options import Options
    from graphssl.runtime.train import train

    out = tmp_path_factory.mktemp("runs") / "run"
    method = graphssl.load("moco_v1@quick", toy_overrides("moco_v1"))
    options = Options(data="shapes:32,64", out=str(out), eval_every=0, log_every=1, device="cpu", steps=2)
    assert train(method, options) == 0
    return out


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def folder(run: Path) -> Path:
    return next((run / "checkpoints").iterdir())


def module() -> torch.nn.Module:
    return torch.nn.Linear(2, 1)


def with_header(text: bytes, size: int | None = None, data: bytes = b"") -> bytes:
    return (len(text) if size is None else size).to_bytes(8, "little") + text + data


def tensor(dtype: str = "F32", shape: Any = (1, 2), offsets: Any = (0, 8), name: str = "weight") -> bytes:
    return with_header(
        json.dumps({name: {"dtype": dtype, "shape": shape, "data_offsets": offsets}}).encode(), data=b"\0" * 8
    )


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch pwned",)


WEIGHTS: dict[str, bytes] = {
    "nothing": b"",
    "four bytes": b"\1\2\3\4",
    "a pickle": pickle.dumps(Evil()),
    "a size beyond the file": with_header(b"{}", 10**6),
    "a size beyond all files": with_header(b"{}", 2**63),
    "no JSON": with_header(b"hello world"),
    "JSON cut short": with_header(b'{"weight": {"dtype"'),
    "a list": with_header(b"[]"),
    "lists in lists": with_header(b"[" * 100_000),
    "no UTF-8": with_header(b'{"\xff": 1}'),
    "a tensor that is a word": with_header(b'{"weight": "x"}'),
    "no shape": with_header(b'{"weight": {"dtype": "F32", "data_offsets": [0, 8]}}', data=b"\0" * 8),
    "an unknown dtype": tensor(dtype="PY"),
    "a dtype of another size": tensor(dtype="F64"),
    "offsets beyond the file": tensor(offsets=(0, 10**12)),
    "offsets that go backwards": tensor(offsets=(8, 0)),
    "negative offsets": tensor(offsets=(-8, 0)),
    "a gap": tensor(offsets=(4, 8)),
    "a shape beyond memory": tensor(shape=(2**40, 2**40)),
    "a negative shape": tensor(shape=(-1, 2)),
    "a shape of words": tensor(shape=("a", "b")),
    "a shape of ten thousand axes": tensor(shape=[1] * 10_000 + [2]),
    "tensors in each other": with_header(
        json.dumps({n: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} for n in ("weight", "bias")}).encode(), data=b"\0" * 8
    ),
    "data behind the last": tensor() + b"x" * 100,
    "another name": tensor(name="../../weight"),
    "a name of a megabyte": tensor(name="w" * 1_000_000),
    "a hundred thousand names": with_header(
        json.dumps({f"n{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(100_000)}).encode()
    ),
    "whole numbers": tensor(dtype="I32"),
    "a zip that torch would load": b"PK\x03\x04" + b"\0" * 100,
}  # fmt: skip


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_that_are_none_are_refused_in_a_sentence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(WEIGHTS[name])
    with pytest.raises(RunError) as caught:
        checkpoint.load_module(tmp_path, module())
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 2000 + len(str(tmp_path)) + 1_000_000 * (
        "megabyte" in name
    )
    assert not (tmp_path / "pwned").exists()


def test_weights_that_are_a_pipe_or_a_device_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    for make in (lambda: os.mkfifo(file), lambda: file.symlink_to("/dev/zero"), lambda: file.mkdir()):
        make()
        with pytest.raises(RunError, match="cannot read"):
            checkpoint.load_module(tmp_path, module())
        file.rmdir() if file.is_dir() and not file.is_symlink() else file.unlink()


def test_nothing_is_changed_by_weights_of_which_one_does_not_fit(tmp_path: Path) -> None:
    linear = module()
    before = {name: value.clone() for name, value in linear.state_dict().items()}
    save_file({"weight": torch.ones(1, 2), "bias": torch.ones(7)}, tmp_path / "model.safetensors")
    with pytest.raises(RunError, match="of shape"):
        checkpoint.load_module(tmp_path, linear)
    assert all(torch.equal(before[name], value) for name, value in linear.state_dict().items())


STATES: dict[str, Any] = {
    "nothing": b"",
    "a word": b"hello",
    "a list": b"[]",
    "lists in lists": b"[" * 200_000,
    "not a number": b"NaN",
    "no UTF-8": b"\xff\xfe",
    "twenty megabytes": b'{"a": "' + b"x" * 20_000_000 + b'"}',
    "a pickle": pickle.dumps(Evil()),
    "no step": {"step": None},
    "a negative step": {"step": -1},
    "a step of a half": {"step": 0.5},
    "a step that is a word": {"step": "../../etc"},
    "a step that is a truth": {"step": True},
    "a step of 10³⁰": {"step": 10**30},
    "a step that is no number": {"step": float("nan")},
    "optimizers that are a map": {"optimizers": {}},
    "optimizers that are words": {"optimizers": ["x"]},
    "memory that is a list": {"memory": []},
    "an infinite number of steps": {"total_steps": float("inf")},
    "samples that are a path": {"samples": "/etc/passwd"},
}  # fmt: skip


@pytest.mark.parametrize("name", STATES)
def test_a_state_that_is_none_is_refused_with_its_place(name: str, tmp_path: Path) -> None:
    given = STATES[name]
    text = {"step": 2, "total_steps": 2, "samples": 64, "memory": {}, "optimizers": [{}]}
    data = given if isinstance(given, bytes) else json.dumps({**text, **given}).encode()
    (tmp_path / "state.json").write_bytes(data)
    with pytest.raises(RunError) as caught:
        checkpoint.read_facts(tmp_path)
    assert str(tmp_path / "state.json") in str(caught.value) and "\n" not in str(caught.value)
    if isinstance(given, dict):
        assert f"`{next(iter(given))}" in str(caught.value)


@pytest.mark.parametrize("facts", [None, 3, "x", [], {"total": 1}, {"in_a_row": {}}], ids=str)
def test_memory_that_is_none_is_named(facts: Any) -> None:
    with pytest.raises(RunError, match="what it says of `skips`"):
        remember({"skips": Skips()}, {"skips": facts})


def adam(*shapes: tuple[int, ...]) -> torch.optim.Optimizer:
    return torch.optim.Adam([torch.nn.Parameter(torch.zeros(shape)) for shape in shapes])


OPTIMIZERS: dict[str, tuple[dict[str, torch.Tensor], list[Any]]] = {
    "a name without dots": ({"x": torch.zeros(1)}, [{}]),
    "a name of words": ({"a.b.c": torch.zeros(1)}, [{}]),
    "a parameter that is not there": ({"0.9.exp_avg": torch.zeros(1)}, [{}]),
    "a negative parameter": ({"0.-1.exp_avg": torch.zeros(1)}, [{}]),
    "another shape": ({"0.0.exp_avg": torch.zeros(7, 7)}, [{}]),
    "no optimizer": ({}, []),
    "a word for a parameter": ({}, [{"x": {}}]),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_state_of_another_optimizer_is_refused_and_nothing_changed(name: str, tmp_path: Path) -> None:
    tensors, facts = OPTIMIZERS[name]
    save_file(tensors, tmp_path / "optimizer.safetensors")
    optimizer = adam((2, 3))
    with pytest.raises(RunError, match="holds the state of another optimizer"):
        checkpoint.load_optimizers(tmp_path, [optimizer], {"optimizers": facts})
    assert not optimizer.state_dict()["state"]


def test_a_resumed_run_tells_what_is_damaged(run: Path, train: Train) -> None:
    state = folder(run) / "state.json"
    whole = json.loads(state.read_text())
    for change, message in (
        ({"step": "2"}, "`step`"),
        ({"memory": {"skips": 3}}, "skips"),
        ({"optimizers": []}, "another optimizer"),
    ):
        state.write_text(json.dumps({**whole, **change}))
        with pytest.raises(RunError, match=message):
            train("moco_v1", run, steps=4, resume=True, allow_changed=True)


def test_a_method_of_a_run_that_would_execute_is_refused(run: Path) -> None:
    method = run / "method.yaml"
    method.write_text(
        method.read_text() + "monitors: {\"x\\\": __import__('os').system('touch pwned'), \\\"y\": loss}\n"
    )
    with pytest.raises(GraphError):
        load_run(run)
    method.write_text("!!python/object/apply:os.system ['touch pwned']")
    with pytest.raises(GraphError):
        load_run(run)


def test_weights_of_another_run_that_changed_since_are_refused(run: Path, tmp_path: Path) -> None:
    import graphssl
    from graphssl.runtime.weights import start_from_runs

    method = graphssl.load("moco_v1@quick", {**toy_overrides("moco_v1"), "nodes.f.from": str(run)})
    built = graphssl.compile(method)
    weights = folder(run) / "model.safetensors"
    for damaged in (b"", pickle.dumps(Evil()), weights.read_bytes()[:-100], with_header(b"[]")):
        weights.write_bytes(damaged)
        with pytest.raises(RunError):
            start_from_runs(built, method.checked_graph())


def test_the_weights_of_a_checkpoint_are_plain_tensors(run: Path) -> None:
    for file in folder(run).glob("*.safetensors"):
        assert load_file(file)
    assert {path.suffix for path in folder(run).iterdir()} == {".safetensors", ".json"}
