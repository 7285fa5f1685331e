"""How much room text and boxes take, without a font: widths of Helvetica, rounded up for its wider neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from graphssl.views.describe import Shape, clipped
from graphssl.views.scene import Arrow, Box

NAME, LINE, SMALL = 13, 11, 10
"""Font sizes of a node's name, the lines below it, and labels."""

SPARK = 36
"""Room of a schedule's small curve behind its text."""

_WIDTHS = (
    "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278 "
    "278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722 "
    "667 944 667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556 "
    "556 333 500 278 556 500 722 500 500 500 334 260 334 584"
)
_WIDTH = {chr(32 + i): int(width) for i, width in enumerate(_WIDTHS.split())}
_OTHERS = {"·": 333, "×": 584, "→": 1000, "…": 1000, "Σ": 680}


def text_width(text: str, size: int, *, bold: bool = False) -> int:
    """Pixels that `text` takes at most in the fonts we name."""
    units = sum(_WIDTH.get(c) or _OTHERS.get(c) or (600 if ord(c) < 0x2E80 else 1000) for c in text)
    return ceil(units / 1000 * size * (1.12 if bold else 1.04))


@dataclass(frozen=True)
class Content:
    """What is written in a box and the room it needs. `ports` is the width of the column of input names at its left."""

    name: str
    lines: tuple[str, ...]
    pills: tuple[tuple[str, str, int], ...]
    ports: int
    width: int
    height: int


def content(box: Box, inputs: int, outputs: int, above: int) -> Content:
    """Text and size of a box with this many attachments on each side; `above` is the room its centre line must give."""
    name = clipped(box.name, 32)
    lines = tuple(clipped(line, 32) for line in box.lines)
    pills = tuple(
        (b.kind, clipped(b.text, 24), text_width(clipped(b.text, 24), SMALL) + pill_pad(b.kind)) for b in box.badges
    )
    ports = max((text_width(port, SMALL) for port in box.inputs), default=0) + 14 if len(box.inputs) > 1 else 0
    texts = [text_width(name, NAME, bold=True), *(text_width(line, LINE) for line in lines)]
    texts += [text_width(lines[i], LINE) + SPARK for i, _ in box.curves]
    pad = {"pure": 26, "total": 26, "block": 26}.get(box.kind, 18)
    pill_row = sum(width for _, _, width in pills) + 4 * max(0, len(pills) - 1)
    width = ports + max(*texts, pill_row) + pad
    width = max(width, above, 44)
    rows = 17 + 14 * len(lines) + (20 if pills else 0)
    cap = 18 if box.kind in ("state", "block") else 12
    height = max(rows + cap, 18 * inputs + 8, 36 * outputs if outputs > 1 else 0)
    return Content(name, lines, pills, ports, width + width % 2, height + height % 2)


def pill_pad(kind: str) -> int:
    """Room in a badge besides its text: the star of `represent`."""
    return 26 if kind == "represent" else 12


def shape_label(shapes: tuple[Shape, ...]) -> tuple[str, str]:
    """The text above and below an edge."""
    if not shapes:
        return "", ""
    if len(shapes) == 1:
        return shapes[0].many, clipped(shapes[0].size, 28)
    if len(shapes) == 2:
        return clipped(str(shapes[0]), 32), clipped(str(shapes[1]), 32)
    total = sum(shape.count or 1 for shape in shapes)
    return f"{total} × {shapes[0].kind}", f"{len(shapes)} shapes"


def joined(shapes: list[Shape]) -> tuple[Shape, ...]:
    """Shapes of a list put together from several references, equal neighbours as one."""
    found: list[Shape] = []
    for shape in shapes:
        count = shape.count or 1
        if found and (found[-1].kind, found[-1].axes) == (shape.kind, shape.axes):
            found[-1] = Shape(shape.kind, shape.axes, (found[-1].count or 0) + count)
        else:
            found.append(Shape(shape.kind, shape.axes, count))
    return tuple(found)


def momentum_room(arrow: Arrow) -> tuple[str, int]:
    """The text beside a link between copies and how wide the box below must be for it."""
    if arrow.number is None:
        return "", 0
    text = clipped(f"m = {arrow.number.short}", 30)
    return text, 2 * (text_width(text, SMALL) + 16)
