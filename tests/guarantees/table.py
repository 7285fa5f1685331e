"""docs/guarantees.md: the table of methods and columns, written from what tests measured; a partial run replaces its own cells only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tests.guarantees.cases import CASES

FILE = Path(__file__).parents[2] / "docs" / "guarantees.md"

COLUMNS = (
    "2 ranks",
    "4 ranks",
    "accumulation",
    "exact accumulation",
    "resume",
    "resume on other ranks",
    "evaluation",
    "FSDP2",
)
"""In their order; a column without a cell is not written."""

BEGIN, END = "<!-- table: written by `make guarantees` -->", "<!-- end of the table -->"
MISSING = "–"

Cells = Mapping[tuple[str, str], str]
"""By method and column: a number as text, or a sentence that says why the two are not equal."""


def number(difference: float) -> str:
    """One digit and an exponent; 0 where every bit is equal."""
    return "0" if difference == 0 else f"{difference:.0e}".replace("e-0", "e-")


def is_number(cell: str) -> bool:
    return re.fullmatch(r"0|\de-\d+", cell) is not None


def rendered(cells: Cells) -> str:
    """The table and, below it, the reasons, each once."""
    columns = [column for column in COLUMNS if any(place[1] == column for place in cells)]
    reasons: list[str] = []

    def shown(cell: str) -> str:
        if cell == MISSING or is_number(cell):
            return cell
        if cell not in reasons:
            reasons.append(cell)
        return f"no [{reasons.index(cell) + 1}]"

    rows = [["method", *columns], ["---"] * (len(columns) + 1)]
    for name in CASES:
        rows.append([f"`{name}`", *(shown(cells.get((name, column), MISSING)) for column in columns)])
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*lines, "", *(f"{i}. {reason}" for i, reason in enumerate(reasons, start=1))])


def read(text: str) -> dict[tuple[str, str], str]:
    """The cells of a page that `rendered` is part of."""
    table = text.partition(BEGIN)[2].partition(END)[0]
    reasons = dict(re.findall(r"^(\d+)\. (.*)$", table, re.MULTILINE))
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("|")
    ]
    cells = {}
    for name, *row in rows[2:]:
        for column, cell in zip(rows[0][1:], row, strict=True):
            if cell != MISSING:
                reference = re.fullmatch(r"no \[(\d+)\]", cell)
                cells[name.strip("`"), column] = reasons[reference[1]] if reference else cell
    return cells


def update(new: Cells) -> None:
    """Write the page with these cells in place of the old ones."""
    text = FILE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    table = rendered({**read(text), **new})
    FILE.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8", newline="\n")
