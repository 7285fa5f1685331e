"""What a drawing that is text says of a box."""

from __future__ import annotations

from graphssl.views.palette import SIGNS
from graphssl.views.scene import Box


def name_and_lines(box: Box) -> tuple[str, ...]:
    """Its name behind the sign of its mark, what stands below the name, and its badges."""
    name = f"{SIGNS[box.mark][0]} {box.name}" if box.mark else box.name
    badges = (f"★ {badge.text}" if badge.kind == "represent" else f"({badge.text})" for badge in box.badges)
    return (name, *box.lines, *badges)
