"""Sheets as HTML: parts for a page, and a page of them that needs nothing else."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

from PIL import Image

from graphssl.pictures.sheet import SIDE, Cell, Sheet
from graphssl.views.escape import xml
from graphssl.views.page.parts import filled, part, policy, reading_style


def page(title: str, sheets: Sequence[Sheet]) -> str:
    """One file: sheets, light and dark."""
    parts = {
        "policy": policy(),
        "title": xml(title),
        "style": reading_style(__package__, "sheet.css"),
        "body": f"<main>{''.join(map(figure, sheets))}</main>",
    }
    return filled(part("graphssl.views.page", "plain.html"), parts)


def figure(sheet: Sheet) -> str:
    """The sheet as an element for a page that has the rules of sheet.css."""
    rows = "".join(f'<div class="row">{"".join(map(_cell, row.cells, sheet.heads))}</div>' for row in sheet.rows)
    return (
        f'<figure class="sheet"><figcaption><b>{xml(sheet.title)}</b> <span>{xml(sheet.note)}</span></figcaption>'
        f'<div class="rows">{rows}</div></figure>'
    )


def _cell(cell: Cell, head: str) -> str:
    hard = " hard" if max(cell.image.size) < SIDE else ""
    said = ", ".join(filter(None, (head, cell.label, cell.frame)))
    label = f"<span>{xml(cell.label or head)}</span>"
    return f'<div class="cell {cell.frame}{hard}"><img src="{data_uri(cell.image)}" alt="{xml(said)}" title="{xml(said)}">{label}</div>'


def data_uri(image: Image.Image, most: int = 2 * SIDE) -> str:
    """The image inside of an address: PNG where it is small, else JPEG, at most so many pixels a side."""
    image = image.convert("RGB")
    small = max(image.size) < SIDE
    if not small:
        image.thumbnail((most, most), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "PNG" if small else "JPEG", quality=85, optimize=True)
    return f"data:image/{'png' if small else 'jpeg'};base64,{base64.b64encode(buffer.getvalue()).decode()}"
