"""The documentation is true: the reference is current, its files check, its commands exist."""

from __future__ import annotations

import argparse
import ast
import re
import runpy
from pathlib import Path

import pytest

import graphssl
from graphssl.bundled import method_files
from graphssl.cli import _parser
from graphssl.curate.curation import load as load_curation
from graphssl.views.svg import svg

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES if page.exists()}

METHODS = TEXTS["docs/methods.md"]

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


GALLERY = runpy.run_path(str(ROOT / "docs" / "make_gallery.py"))


LARGE = ("dinov2_distill", "dinov2_highres")  # whose networks take long to build, even without numbers


@pytest.mark.parametrize(
    "method", [pytest.param(m, marks=pytest.mark.slow if m in LARGE else ()) for m in method_files()]
)
def test_the_gallery_shows_the_method_as_it_is_drawn_today(method: str) -> None:
    scene = graphssl.draw(method, sizes=True).scene
    shown = (ROOT / "docs" / "gallery" / f"{method}.svg").read_text(encoding="utf-8")
    assert shown == svg(scene), "run `make gallery` and look at what changed"
    assert GALLERY["entry"](scene) in TEXTS["docs/gallery.md"], "run `make gallery`"


def test_the_gallery_shows_every_bundled_method_and_no_other() -> None:
    assert re.findall(r"^## (\w+)$", TEXTS["docs/gallery.md"], re.MULTILINE) == list(method_files())
    assert {path.stem for path in (ROOT / "docs" / "gallery").iterdir()} == set(method_files())


@pytest.mark.parametrize(("place", "text"), files(), ids=[place for place, _ in files()])
def test_every_whole_file_in_the_documentation_checks(place: str, text: str) -> None:
    curation = "\nkind: curation\n" in text
    found = load_curation(text).findings if curation else graphssl.check(text, static=True)
    assert [f"{f.code}: {f.message}" for f in found if f.severity == "error"] == [], place


def test_every_command_in_the_documentation_exists() -> None:
    known: set[str] = set()
    for action in _parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            known |= set(action.choices)
    assert {"check", "train"} <= known
    assert {(page, word) for page, word in commands() if word not in known} == set()
    assert len(commands()) > 3


def rows() -> list[list[str]]:
    """The rows of the tables of docs/methods.md, without their heads."""
    lines = [line for line in METHODS.splitlines() if line.startswith("|") and not line.startswith("|---")]
    return [cells for line in lines if (cells := [cell.strip() for cell in line.strip("|").split("|")])[0] != "fact"]


def test_every_row_of_the_methods_has_a_test_or_a_reason() -> None:
    assert len(rows()) > 200
    assert [cells for cells in rows() if len(cells) != 3 or not cells[0] or not cells[2]] == []


def test_every_test_that_the_methods_cite_exists() -> None:
    cited = set(re.findall(r"\b(tests/[\w/]+\.py)::(\w+)", METHODS))
    assert len(cited) > 100
    defined = {
        (file, node.name)
        for file in {file for file, _ in cited if (ROOT / file).exists()}
        for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }
    assert sorted(cited - defined) == []
