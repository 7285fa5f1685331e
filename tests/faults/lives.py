"""Lives of a run: processes forked from one that has imported and checked everything, so that they begin at once.

A fork of torch is safe here: the parent uses one thread and never ran a backward of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import graphssl
from graphssl.pipeline import Method
from graphssl.runtime.options import Options
from graphssl.runtime.train import train
from tests.conftest import toy_overrides

FINISHED = 2  # what a finished run exits with when it is resumed


def checked(name: str) -> Method:
    """A toy, whose findings need not be found by every life."""
    method = graphssl.load(f"{name}@quick", toy_overrides(name))
    assert not [finding for finding in method.findings if finding.severity == "error"]
    return method


def begin(method: Method, out: Path, first: Callable[[], Any] = lambda: None, **options: Any) -> int:
    """Train in a forked process, after it called `first`; its id. What it prints goes to `out`.log."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            first()
            sys.stderr = out.with_suffix(".log").open("a")
            code = train(method, Options("shapes:32,64", str(out), device="cpu", **options))
        except Exception as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            code = getattr(error, "code", 1)
        finally:
            sys.stderr.flush()
            os._exit(code)
    return child


def end(child: int) -> int:
    """Its exit code; a signal that ended it, negative."""
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)
