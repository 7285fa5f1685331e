"""Images in labelled rows, as data, and as one picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from graphssl.runtime.errors import RunError
from graphssl.views.png import FONT_FILES

SIDE = 144
"""Pixels of a cell's side."""

WIDE = 1300
"""Pixels that a sheet is wide at most, unless one row is wider."""

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".html")
FRAMES = {"right": "#00795a", "wrong": "#c8102e"}
_GAP, _BETWEEN, _MARGIN, _LINE = 6, 28, 16, 18
_TEXT, _SOFT = "#1f2328", "#59636e"


@dataclass(frozen=True)
class Cell:
    """An image, shown square; one smaller than a cell with hard edges. frame: `right`, `wrong` or none."""

    image: Image.Image
    label: str = ""
    frame: str = ""


@dataclass(frozen=True)
class Row:
    """Cells that belong together."""

    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Sheet:
    """Rows of equally many cells. heads: what the cells of each column are; note: one sentence about all of it."""

    title: str
    note: str
    heads: tuple[str, ...]
    rows: tuple[Row, ...]

    def save(self, path: str | Path) -> None:
        """Write it as FILE.html, or or as a picture, by its suffix; RunError for one of other formats."""
        path = Path(path)
        refuse_format(path)
        if path.suffix.lower() == ".html":
            from graphssl.pictures.page import page

            path.write_text(page(self.title, [self]), encoding="utf-8")
        else:
            drawn(self).save(path, quality=84, optimize=True)


def refuse_format(path: str | Path) -> None:
    """RunError for a file that a sheet cannot be written as, by its suffix."""
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise RunError(f"a sheet is written as {', '.join(SUFFIXES)}, not as `{path.name}`")


def drawn(sheet: Sheet) -> Image.Image:
    """The sheet as one picture on white, as many rows beside each other as fit."""
    width = len(sheet.heads) * (SIDE + _GAP) - _GAP
    across = max(1, min(len(sheet.rows), (WIDE - 2 * _MARGIN + _BETWEEN) // (width + _BETWEEN)))
    labelled = any(cell.label for row in sheet.rows for cell in row.cells)
    height = SIDE + _GAP + (_LINE if labelled else 0)
    lines = -(-len(sheet.rows) // across)
    inside = max(across * (width + _BETWEEN) - _BETWEEN, 420)
    notes = _wrapped(sheet.note, inside, 13)
    top = _MARGIN + 26 + _LINE * len(notes) + 8
    picture = Image.new("RGB", (inside + 2 * _MARGIN, top + _LINE + 4 + lines * height + _MARGIN), "#ffffff")
    pen = ImageDraw.Draw(picture)
    _write(pen, (_MARGIN, _MARGIN), sheet.title, 17, inside, bold=True)
    for i, note in enumerate(notes):
        _write(pen, (_MARGIN, _MARGIN + 26 + _LINE * i), note, 13, inside, colour=_SOFT)
    for i, row in enumerate(sheet.rows):
        left = _MARGIN + (i % across) * (width + _BETWEEN)
        y = top + _LINE + 4 + (i // across) * height
        for j, cell in enumerate(row.cells):
            x = left + j * (SIDE + _GAP)
            if i < across:
                _write(pen, (x, top), sheet.heads[j], 13, SIDE, colour=_SOFT)
            picture.paste(_fitted(cell.image), (x, y))
            if cell.frame:
                pen.rectangle((x, y, x + SIDE - 1, y + SIDE - 1), outline=FRAMES[cell.frame], width=4)
            _write(pen, (x, y + SIDE + 2), cell.label, 12, SIDE)
    return picture


def _fitted(image: Image.Image) -> Image.Image:
    hard = max(image.size) < SIDE
    way = Image.Resampling.NEAREST if hard else Image.Resampling.LANCZOS
    return image.convert("RGB").resize((SIDE, SIDE), way)


def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    name = "Bold" if bold else "Regular"
    return ImageFont.truetype(next(file for file in FONT_FILES if name in file), size)


def _write(
    pen: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    size: int,
    room: int,
    *,
    bold: bool = False,
    colour: str = _TEXT,
) -> None:
    """A line, cut where there is no room for it."""
    font = _font(size, bold)
    while text and font.getlength(text) > room:
        text = text[:-2] + "…"
    pen.text(at, text, fill=colour, font=font)


def _wrapped(text: str, room: int, size: int) -> list[str]:
    """The text in lines that fit."""
    font, lines = _font(size), [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= room or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
