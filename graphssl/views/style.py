"""The CSS of a drawing: what always holds, and its colours in the light and in the dark."""

from __future__ import annotations

from graphssl.views.measure import LINE, NAME, SMALL
from graphssl.views.palette import FONTS, HUES, INKS, SIGNS, VIRIDIS

_LIGHT = {"ground": "#ffffff", "text": "#1f2328", "soft": "#59636e", "line": "#1f2328", "quiet": "#6e7781"}
_DARK = {"ground": "#0d1117", "text": "#e6edf3", "soft": "#9198a1", "line": "#e6edf3", "quiet": "#9198a1"}
_LATER = {"ema": ("#a8457f", "#e39ac2"), "write": ("#00795a", "#3fc79b"), "share": ("#2a86bd", "#56b4e9")}
_DASHES = {"data": "5 3.5", "write": "5 3.5", "ema": "1 4", "copy": "7 4 1 4"}


def style() -> str:
    """All rules, as the style of a picture that stands alone."""
    common, light, dark = rules()
    later = "\n".join(f"  {rule}" for rule in dark)
    return "\n".join([*common, *light, "@media (prefers-color-scheme: dark) {", later, "}"])


def rules() -> tuple[list[str], list[str], list[str]]:
    """CSS of a drawing: what always holds, colours in the light, and those in the dark."""
    rules = [
        f".graphssl text {{ font-family: {FONTS}; font-size: {LINE}px; fill: {_LIGHT['text']}; }}",
        f".graphssl .name {{ font-size: {NAME}px; font-weight: bold; }}",
        f".graphssl .title {{ font-size: {NAME + 3}px; font-weight: bold; }}",
        f"{_all('shape', 'number', 'legend', 'pill', 'port', 'recipe', 'finding')} {{ font-size: {SMALL}px; }}",
        ".graphssl .lane { font-size: 10px; }",
        ".graphssl .edge, .graphssl .spark { fill: none; stroke-width: 1.5; stroke-linejoin: round; }",
        ".graphssl .gradient { stroke-width: 1.8; }",
        ".graphssl .ema, .graphssl .copy { stroke-width: 2.2; stroke-linecap: round; }",
        ".graphssl .share { stroke-width: 4; }",
        ".graphssl .stop { stroke-width: 3; }",
        ".graphssl .spark { stroke-width: 1.2; }",
        ".graphssl .band { fill-opacity: 0.07; }",
        ".graphssl .body { fill-opacity: 0.16; stroke-width: 1.4; }",
        ".graphssl .mark { fill-opacity: 0.25; }",
    ]
    rules += [f".graphssl .{kind} {{ stroke-dasharray: {dash}; }}" for kind, dash in _DASHES.items()]
    for lane in ("student", "teacher", "state", "loss", "source"):
        rules.append(
            f".graphssl .band.{lane}, .graphssl .body.{lane}, .graphssl .mark.{lane} {{ fill: {HUES[lane]}; }}"
        )
        rules.append(f".graphssl .body.{lane} {{ stroke: {HUES[lane]}; }}")
    rules.append(f".graphssl .body.broken {{ stroke-dasharray: 4 3; stroke: {HUES['loss']}; }}")
    rules.append(f".graphssl .mark.broken {{ fill: {HUES['loss']}; }}")
    rules += [
        ".graphssl .halo { fill: none; stroke-width: 3; }",
        ".graphssl path.halo { stroke-width: 9; stroke-opacity: 0.28; stroke-linecap: round; }",
        ".graphssl rect.halo.removed { stroke-dasharray: 7 5; }",
        ".graphssl .inner { fill: none; }",
        ".graphssl .sign { font-size: 12px; font-weight: bold; text-anchor: middle; }",
    ]
    return rules, _colours(_LIGHT, 0), _colours(_DARK, 1)


def variables() -> str:
    """The colours of lanes and marks and the colour scale, as properties that a page's own rules can use."""
    marks = {mark: shade for mark, (_, shade, _) in SIGNS.items()}
    named = {**HUES, **marks, "viridis": ", ".join(VIRIDIS)}
    return f":root {{ {' '.join(f'--{name}: {value};' for name, value in named.items())} }}"


def hot() -> str:
    """Rules for boxes that a measure colours: the colour is opaque and the text fits it, in light and dark alike."""
    rules = [".graphssl .node.hot .body { fill-opacity: 1; }"]
    for tone, text in INKS.items():
        rules.append(f".graphssl .hot.{tone} text {{ fill: {text}; }}")
        rules.append(f".graphssl .hot.{tone} .mark {{ fill: {text}; fill-opacity: 0.16; }}")
        rules.append(f".graphssl .hot.{tone} .star {{ fill: {text}; }}")
    return "\n".join(rules)


def _all(*names: str) -> str:
    """A selector of elements of any of these classes."""
    return ", ".join(f".graphssl .{name}" for name in names)


def _colours(ink: dict[str, str], scheme: int) -> list[str]:
    """Rules that differ between light and dark."""
    rules = [
        f".graphssl .ground {{ fill: {ink['ground']}; }}",
        f".graphssl .under {{ fill: {ink['ground']}; }}",
        f".graphssl .hollow {{ stroke: {ink['ground']}; }}",
        f".graphssl text {{ fill: {ink['text']}; }}",
        f"{_all('what', 'port', 'shape', 'subtitle', 'recipe', 'legend', 'lane')} {{ fill: {ink['soft']}; }}",
        f".graphssl .gradient, .graphssl .stop {{ stroke: {ink['line']}; }}",
        f".graphssl .data {{ stroke: {ink['quiet']}; }}",
        f".graphssl .head.gradient, .graphssl .dot {{ fill: {ink['line']}; }}",
        f".graphssl .head.data {{ fill: {ink['quiet']}; }}",
    ]
    for kind, colours in _LATER.items():
        also = ", .graphssl .copy, .graphssl .spark" if kind == "ema" else ""
        rules.append(f".graphssl .{kind}{also} {{ stroke: {colours[scheme]}; }}")
        also = ", .graphssl .head.copy, .graphssl .number" if kind == "ema" else ""
        rules.append(f".graphssl .head.{kind}{also} {{ fill: {colours[scheme]}; }}")
    for mark, (_, *shades) in SIGNS.items():
        rules.append(f".graphssl .halo.{mark} {{ stroke: {shades[scheme]}; }}")
        rules.append(f".graphssl .disc.{mark} {{ fill: {shades[scheme]}; }}")
    rules.append(f".graphssl .sign {{ fill: {ink['ground']}; }}")
    return [*rules, ".graphssl .head { stroke: none; }"]
