"""Ejected source: stands alone, and computes the same bits."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import graphssl
from graphssl.compiler.eject import eject
from tests.conftest import METHODS, toy_views


@pytest.mark.parametrize("name", METHODS)
def test_it_gives_bit_equal_losses_gradients_and_state(name: str, toy: Callable[..., Any], tmp_path: Path) -> None:
    method = toy(name)
    source = eject(method.checked_graph())
    assert "graphssl" not in {n for node in ast.walk(ast.parse(source)) for n in _imported(node)}
    namespace: dict[str, Any] = {"__name__": "ejected"}
    sys.modules["ejected"] = type(sys)("ejected")
    exec(compile(source, "ejected.py", "exec"), namespace)
    classes = [v for v in namespace.values() if isinstance(v, type) and hasattr(v, "commit") and hasattr(v, "discard")]
    torch.manual_seed(0)
    ejected = classes[-1](steps=10, steps_per_epoch=5)
    torch.manual_seed(0)
    ours = graphssl.compile(method, steps=10, steps_per_epoch=5)
    for step in range(2):
        views = toy_views(method, seed=step)
        for module in (ours, ejected):
            module.commit("before_forward", step)
            out = module(views, step)
            out.loss.backward()
            module.commit("after_step", step)
        assert torch.equal(ours(views, step).loss, ejected(views, step).loss)
    for (key, a), (_, b) in zip(ours.named_parameters(), ejected.named_parameters(), strict=True):
        assert a.grad is None or torch.equal(a.grad, b.grad), key
    theirs = ejected.state_dict()
    assert all(torch.equal(value, theirs[key]) for key, value in ours.state_dict().items())


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    return [(node.module or "").partition(".")[0]] if isinstance(node, ast.ImportFrom) else []


def test_the_file_runs_in_a_process_that_cannot_import_graphssl(tmp_path: Path) -> None:
    file = tmp_path / "ejected.py"
    file.write_text(eject(graphssl.load("byol@quick").checked_graph()))
    program = (
        "import sys; sys.modules['graphssl'] = None\n"
        "import torch, ejected\n"
        "m = ejected.Byol(steps=4, steps_per_epoch=2)\n"
        "x = torch.randn(4, 3, 32, 32)\n"
        "print(m({'v1': x, 'v2': x, 'y': torch.arange(4)}, 0).loss.isfinite().item())"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "True", done.stderr


def test_each_node_has_one_line_with_its_place_in_the_file() -> None:
    source = eject(graphssl.load("byol").checked_graph())
    forward = source.split("def forward(self, views")[1].split("def commit")[0]
    for node in ("f", "g", "q", "ft", "gt", "loss"):
        lines = [line for line in forward.splitlines() if line.strip().startswith(f"{node} = ")]
        assert len(lines) == 1
        assert "byol.yaml:" in lines[0]
