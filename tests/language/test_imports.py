"""Reading and checking never import torch; a graph has the same bytes in every process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys, graphssl
for name in ("byol", "moco_v2@quick", "simclr@cifar10"):
    method = graphssl.load(name)
    assert method.static == [], method.static
    print(method.fingerprint)
from graphssl.checks import explanations
from graphssl.language.resolve import dump
from graphssl.pipeline import load
import hashlib
print(hashlib.sha256(dump(load("byol").tree, origins=True).encode()).hexdigest(), len(explanations()))
heavy = {"torch", "timm", "torchvision", "accelerate", "numpy"} & set(sys.modules)
assert not heavy, heavy
"""


def run(seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True, timeout=120
    ).stdout


def test_static_checks_import_no_torch_and_fingerprints_do_not_depend_on_the_process() -> None:
    assert run("0") == run("4242")


@pytest.mark.parametrize(
    "command", [["check", "--static", "simclr"], ["resolve", "byol"], ["list"], ["explain", "collapse-risk"]]
)
def test_commands_that_only_read_import_no_torch(command: list[str]) -> None:
    program = (
        "import sys\nfrom graphssl.cli import main\n"
        f"code = main({command!r})\nassert not code, code\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
