"""Twenty thousand mutations of the bundled methods: each is read, checked and, where it can be, drawn; a sample is built.

    python -m pytest tests/hostile/test_fuzzer.py                    # with the seed below
    GRAPHSSL_FUZZ_SEED=7 GRAPHSSL_FUZZ_CASES=100000 python -m pytest tests/hostile/test_fuzzer.py

A failure prints the seed of its case and the file that the smallest text that still fails was written to.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import graphssl
from graphssl.bundled import method_files
from graphssl.language.diagnostics import has_errors, render_text
from graphssl.views import draw
from tests.hostile.mutations import mutated

SEED = int(os.environ.get("GRAPHSSL_FUZZ_SEED", "1"))
CASES = int(os.environ.get("GRAPHSSL_FUZZ_CASES", "20000"))
SECONDS = 6.0  # CPU time of one case, all that is done with it together, on a busy machine
TEXTS = [path.read_text() for path in method_files().values()]
DRAWN, BUILT = 4, 400
"""Of so many that can be drawn, one is drawn in every format but PNG; of so many cases, one that has no errors is built."""


def case(number: int) -> str:
    """The text of a case; every second one starts from a resolved variant, in which more is spelt out."""
    pick = random.Random(f"{SEED} {number}")
    name = pick.choice(list(method_files()))
    text = TEXTS[list(method_files()).index(name)] if pick.random() < 0.5 else resolved(name)
    return mutated(text, pick)


_RESOLVED: dict[str, str] = {}


def resolved(name: str) -> str:
    if name not in _RESOLVED:
        _RESOLVED[name] = graphssl.load(name).text()
    return _RESOLVED[name]


def tried(text: str, number: int) -> str:
    """What became of a case, in a word."""
    method = graphssl.load(text)
    render_text(method.static)
    if method.tree is not None:
        method.text()
    if method.graph is None:
        return "refused"
    if number % DRAWN == 0:
        drawing = draw(method, with_errors=True)
        for suffix in ("svg", "mmd", "dot", "json", "html"):
            drawing.as_(suffix)
    if has_errors(method.static):
        return "with errors"
    assert len(method.fingerprint) == 64
    assert graphssl.load(method.text()).fingerprint == method.fingerprint
    if number % BUILT == 0:
        render_text(method.findings)
        return "built"
    return "clean"


def smallest(text: str, fails: Callable[[str], bool]) -> str:
    """The text with every line taken away without which it still fails."""
    lines = text.split("\n")
    for i in reversed(range(len(lines))):
        fewer = lines[:i] + lines[i + 1 :]
        if len(fewer) > 1 and fails("\n".join(fewer)):
            lines = fewer
    return "\n".join(lines)


@contextmanager
def ending(seconds: float) -> Iterator[None]:
    """Raise TimeoutError within what takes more CPU time."""

    def stop(*_: object) -> None:
        raise TimeoutError("it does not end")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def fails(text: str, number: int) -> str:
    """Why a case fails, nothing when it does not."""
    begun = time.thread_time()
    try:
        with ending(10 * SECONDS):
            word = tried(text, number)
    except Exception as error:
        return repr(error)[:500]
    taken = time.thread_time() - begun
    return f"{taken:.1f} s" if taken > SECONDS and word != "built" else ""


@pytest.mark.slow
def test_mutations_raise_nothing_and_end() -> None:
    for number in range(CASES):
        text = case(number)
        if why := fails(text, number):
            file = Path(tempfile.mkdtemp(prefix="graphssl-fuzz-")) / "m.yaml"
            file.write_text(smallest(text, lambda fewer: bool(fails(fewer, number))))  # noqa: B023
            pytest.fail(f"seed {SEED}, case {number}: {why}; the smallest text that fails is {file}")


def test_cases_are_the_same_each_time_and_of_all_kinds() -> None:
    assert [case(i) for i in range(5)] == [case(i) for i in range(5)]
    assert {tried(case(i), i) for i in range(1, 40)} >= {"refused", "with errors"}
