"""Colours, signs and fonts of a drawing, the same in every format."""

from __future__ import annotations

FONTS = "Helvetica, Arial, 'Liberation Sans', 'Nimbus Sans', 'DejaVu Sans', sans-serif"

HUES = {
    "student": "#0072b2",
    "teacher": "#e69f00",
    "state": "#009e73",
    "loss": "#d55e00",
    "source": "#7f8790",
    "ema": "#cc79a7",
    "share": "#56b4e9",
}
"""One hue a meaning, from the palette of Okabe and Ito, which colour-blind readers tell apart."""

STAR = "#e69f00"
"""What evaluation takes."""

SIGNS = {
    "added": ("+", "#00795a", "#3fc79b"),
    "removed": ("−", "#c44601", "#ff8f57"),
    "changed": ("≠", "#7a5195", "#c9a3e0"),
    "error": ("!", "#c8102e", "#ff7b83"),
    "warning": ("?", "#9a6700", "#e3b341"),
}
"""The sign of each mark and its colour in the light and in the dark; the sign says it without the colour."""

LINES = (
    HUES["student"],
    HUES["loss"],
    HUES["state"],
    HUES["ema"],
    HUES["teacher"],
    HUES["share"],
    HUES["source"],
    "#a8457f",
)
"""Curves beside each other, in this order."""

INKS = {"bright": "#111111", "dim": "#ffffff"}
"""Text on a colour of the scale, by how light that is."""

VIRIDIS = ("#440154", "#472c7a", "#3b518b", "#2c718e", "#21908d", "#27ad81", "#5cc863", "#aadc32", "#fde725")
"""Nine even steps of viridis: rising in lightness, told apart by colour-blind readers and in grey."""


def colour(heat: float) -> str:
    """The colour of a place between 0 and 1 on the scale."""
    at = min(1.0, max(0.0, heat)) * (len(VIRIDIS) - 1)
    i = min(int(at), len(VIRIDIS) - 2)
    low, high = (_channels(VIRIDIS[j]) for j in (i, i + 1))
    return "#" + "".join(f"{round(a + (b - a) * (at - i)):02x}" for a, b in zip(low, high, strict=True))


def ink(heat: float) -> str:
    """`bright` where dark text is the better readable on that colour, `dim` where white is (WCAG 2, contrast)."""
    linear = [c / 3294.6 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in _channels(colour(heat))]
    light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "bright" if (light + 0.05) ** 2 > 0.05 * 1.05 else "dim"


def _channels(hexadecimal: str) -> list[int]:
    return [int(hexadecimal[i : i + 2], 16) for i in (1, 3, 5)]
