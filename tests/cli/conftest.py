"""Commands as a person types them, in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from graphssl.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: Any) -> Run:
    """`run("check", "byol")`: exit code, standard output and standard error of the command."""

    def run(*words: str) -> tuple[int, str, str]:
        code = main(words)
        out, err = capsys.readouterr()
        return code, out, err

    return run
