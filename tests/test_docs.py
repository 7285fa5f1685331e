"""The documentation is true: the reference is current, its files check, its commands exist."""

from __future__ import annotations

import argparse
import re
import runpy
from pathlib import Path

import pytest

import graphssl
from graphssl.cli import _parser

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES if page.exists()}

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^    (graphssl .*)$", re.MULTILINE)
_SPAN = re.compile(r"`(graphssl [^`]*)`")
_COMMAND = re.compile(r"^(?:\$ )?(?:[^#\n]* -m )?graphssl ([a-z]\w*)", re.MULTILINE)


def files() -> list[tuple[str, str]]:
    """Every YAML block that is a whole graph file, with its page and number."""
    blocks = [(page, text) for page in TEXTS for word, text in _FENCE.findall(TEXTS[page]) if word == "yaml"]
    return [(f"{page}-{i}", text) for i, (page, text) in enumerate(blocks) if text.startswith("graphssl: 1")]


def commands() -> set[tuple[str, str]]:
    """Every word behind `graphssl` where a page shows a command, with its page."""
    found = set()
    for page, text in TEXTS.items():
        shown = [block for word, block in _FENCE.findall(text) if word in ("", "sh", "bash", "console")]
        shown += [*_SPAN.findall(text), *_INDENTED.findall(text)]
        found |= {(page, word) for part in shown for word in _COMMAND.findall(part)}
    return found


def test_the_reference_is_the_generated_one() -> None:
    reference = runpy.run_path(str(ROOT / "docs" / "make_reference.py"))["reference"]
    assert (ROOT / "docs" / "ops.md").read_text(encoding="utf-8") == reference(), "run `make schema`"


@pytest.mark.parametrize(("place", "text"), files(), ids=[place for place, _ in files()])
def test_every_whole_file_in_the_documentation_checks(place: str, text: str) -> None:
    errors = [f"{f.code}: {f.message}" for f in graphssl.check(text, static=True) if f.severity == "error"]
    assert errors == [], place


def test_every_command_in_the_documentation_exists() -> None:
    known: set[str] = set()
    for action in _parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            known |= set(action.choices)
    assert {"check", "train"} <= known
    assert {(page, word) for page, word in commands() if word not in known} == set()
    assert len(commands()) > 3
