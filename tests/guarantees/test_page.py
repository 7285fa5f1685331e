"""docs/guarantees.md is complete and true: every cell is filled, and every test and check it names exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from graphssl.bundled import method_files
from graphssl.checks import explanations
from tests.guarantees import table
from tests.guarantees.cases import CASES, ON_TOP_OF_RUNS
from tests.guarantees.conftest import AT_MOST

TESTS = Path(__file__).parents[1]
PAGE = table.FILE.read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| (\d+)\. [^|]+ \| (.+) \|$", PAGE, re.MULTILINE))


@cache
def defined_in(file: str) -> set[str]:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8")) if (TESTS / file).exists() else ast.Module([], [])
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_all_bundled_methods_are_in_the_table() -> None:
    assert {name.partition("@")[0] for name in CASES} == set(method_files()) - set(ON_TOP_OF_RUNS)


def test_every_method_has_a_cell_in_every_column_that_is_written() -> None:
    cells = table.read(PAGE)
    columns = {column for _, column in cells}
    assert columns >= {"2 ranks", "4 ranks", "accumulation", "resume", "resume on other ranks", "evaluation"}
    assert sorted({(name, column) for name in CASES for column in columns} - set(cells)) == []
    assert [place for place, cell in cells.items() if table.is_number(cell) and float(cell) > AT_MOST] == []
    assert all(cells[name, "resume"] == cells[name, "evaluation"] == "0" for name in CASES)


def test_the_page_reads_back_as_it_was_written() -> None:
    cells = table.read(PAGE)
    written = f"{table.BEGIN}\n\n{table.rendered(cells)}\n\n{table.END}"
    assert table.read(written) == cells and written in PAGE
    some = {("dino", "4 ranks"): "3e-12", ("byol@quick", "accumulation"): "because of it"}
    again = table.read(f"{table.BEGIN}\n{table.rendered({**cells, **some})}\n{table.END}")
    assert again == {**cells, **some}


def test_thirty_seven_mistakes_are_told() -> None:
    assert list(ROWS) == [str(i) for i in range(1, 38)]


@pytest.mark.parametrize("number", ROWS)
def test_a_mistake_is_held_by_tests_and_checks_that_exist(number: str) -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", ROWS[number])
    assert named
    assert [f"{file}::{name}" for file, name in named if name not in defined_in(file)] == []
    assert set(re.findall(r"check `([\w-]+)`", ROWS[number])) <= {e.code for e in explanations().values()}
