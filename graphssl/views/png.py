"""An SVG as a PNG: it is drawn by resvg with the font that lies beside this file, the same on every machine."""

from __future__ import annotations

import re
from pathlib import Path

from graphssl.views.palette import FONTS
from graphssl.views.scene import Scene
from graphssl.views.svg import svg

FONT = "Liberation Sans"
"""As wide as Helvetica; has Latin, Greek, Cyrillic, arrows and mathematical signs."""

MOST = 3 << 21
"""Pixels of a picture."""

FONT_FILES = sorted(str(path) for path in (Path(__file__).parent / "fonts").glob("*.ttf"))


def png(scene: Scene, scale: float = 2.0) -> bytes:
    """The drawing as a PNG, `scale` pixels for each of the SVG (fewer where it would have more than MOST), in the colours of the light.

    Other scripts are drawn with what fonts the machine has; without them, the same bytes on every machine.
    """
    return raster(svg(scene), scale)


def raster(text: str, scale: float = 2.0) -> bytes:
    """The same for an SVG of ours."""
    import resvg_py

    text = text.replace(FONTS, f"'{FONT}', sans-serif")
    found = re.search(r'width="(\d+)" height="(\d+)"', text)
    pixels = int(found[1]) * int(found[2]) if found else 1
    scale = min(scale, (MOST / max(pixels, 1)) ** 0.5)
    ours = all(ord(sign) < 0x530 or 0x1E00 <= ord(sign) < 0x2300 for sign in text)
    drawn = resvg_py.svg_to_bytes(svg_string=text, zoom=scale, font_files=FONT_FILES, skip_system_fonts=ours)
    return bytes(drawn)
