"""Curves over steps as SVG: a panel of a page, or a picture of many that stands alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

from graphssl.views.escape import xml
from graphssl.views.measure import text_width
from graphssl.views.palette import FONTS, LINES

WIDTH, HEIGHT = 360, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 10, 8, 18
_DASHES = ("none", "6 3", "2 3")
_POINTS = 300
"""Columns of a curve; of those that hold more points, the lowest and the highest are kept."""

_STYLE = f"""
  text {{ font-family: {FONTS}; font-size: 10px; fill: #59636e; }}
  .ground {{ fill: #ffffff; }}
  .title, .value {{ font-size: 13px; font-weight: bold; fill: #1f2328; }}
  .head {{ font-size: 16px; font-weight: bold; fill: #1f2328; }}
  .name {{ font-size: 11px; fill: #1f2328; }}
  .grid {{ stroke: #eaeef2; }}
  .axis {{ stroke: #d1d9e0; }}
  .curve {{ fill: none; stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round; }}
  .raw {{ stroke-width: 1; stroke-opacity: 0.35; }}
"""


@dataclass(frozen=True)
class Series:
    """One curve. y: None where there is a gap; place: which colour it has."""

    name: str
    x: Sequence[int]
    y: Sequence[float | None]
    place: int = 0

    @property
    def colour(self) -> str:
        return LINES[self.place % len(LINES)]

    @property
    def dash(self) -> str:
        return _DASHES[self.place // len(LINES) % len(_DASHES)]

    @property
    def last(self) -> float | None:
        return next((value for value in reversed(self.y) if value is not None), None)


@dataclass(frozen=True)
class Chart:
    """Curves on one pair of axes. low, high: what the axis reaches at least; smooth: a bold moving average over what is noisy."""

    title: str
    series: tuple[Series, ...]
    doc: str = ""
    log: bool = False
    percent: bool = False
    low: float | None = None
    high: float | None = None
    smooth: bool = False

    def said(self, value: float | None) -> str:
        """A value as it is written beside the curve."""
        return "–" if value is None else f"{value:.1%}" if self.percent else short(value)


def short(value: float, digits: int = 4) -> str:
    """A number in so many digits."""
    return f"{value:.{digits}g}".replace("e-0", "e-").replace("e+0", "e")


def panel(chart: Chart) -> str:
    """The chart as an element of a page with the rules of reading.css."""
    one = chart.series[0] if len(chart.series) == 1 else None
    value = f"<b>{xml(chart.said(one.last))}</b>" if one else ""
    told = "; ".join(f"{series.name} {chart.said(series.last)}" for series in chart.series)
    names = "" if one else f'<ul class="names">{"".join(_entry(chart, series) for series in chart.series)}</ul>'
    help = f' title="{xml(chart.doc)}"' if chart.doc else ""
    return (
        f'<div class="panel{" single" if one else ""}"><h3{help}><span>{xml(chart.title)}</span>{value}</h3>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{xml(f"{chart.title}, last values: {told}")}">'
        f"{''.join(axes(chart))}</svg>{names}</div>"
    )


def _entry(chart: Chart, series: Series) -> str:
    dashed = "solid" if series.dash == "none" else "dashed"
    line = f'<i style="border-top: 2.5px {dashed} {series.colour}"></i>'
    return f"<li>{line}{xml(series.name)} <b>{xml(chart.said(series.last))}</b></li>"


def picture(title: str, charts: Sequence[Chart], across: int = 3) -> str:
    """All charts as one SVG document on white, with a legend where a chart has several curves."""
    across = max(1, min(across, len(charts)))
    names = {series.name: series for chart in charts for series in chart.series}
    legend = list(_legend(list(names.values()), across * (WIDTH + 24) - 24)) if len(names) > 1 else []
    top = 52 + 18 * (max((y for _, _, y in legend), default=-1) + 1)
    high = HEIGHT + 40
    width, height = across * (WIDTH + 24) + 8, top + ceil(len(charts) / across) * high
    parts = [f'<text class="head" x="16" y="30">{xml(title)}</text>']
    for series, x, row in legend:
        y = 54 + 18 * row
        parts.append(
            f'<path class="curve" d="M{x} {y - 4}h18" stroke="{series.colour}" stroke-dasharray="{series.dash}"/>'
            f'<text class="name" x="{x + 24}" y="{y}">{xml(series.name)}</text>'
        )
    for i, chart in enumerate(charts):
        x, y = 16 + i % across * (WIDTH + 24), top + i // across * high
        last = chart.said(chart.series[0].last) if len(chart.series) == 1 else ""
        parts.append(
            f'<g transform="translate({x} {y})"><text class="title" y="12">{xml(chart.title)}</text>'
            f'<text class="value" x="{WIDTH - _RIGHT}" y="12" text-anchor="end">{xml(last)}</text>'
            f'<g transform="translate(0 18)">{"".join(axes(chart))}</g></g>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f'<title>{xml(title)}</title><style>{_STYLE}</style><rect class="ground" width="{width}" height="{height}"/>'
        f"{''.join(parts)}</svg>\n"
    )


def _legend(series: Sequence[Series], room: int) -> Iterator[tuple[Series, int, int]]:
    """Each with its left edge and its line."""
    x, row = 16, 0
    for each in series:
        width = text_width(each.name, 11) + 44
        if x > 16 and x + width > room:
            x, row = 16, row + 1
        yield each, x, row
        x += width


def axes(chart: Chart) -> Iterator[str]:
    """Grid, numbers and curves, WIDTH × HEIGHT."""
    x0, x1 = _steps(chart)
    y0, y1 = _range(chart)
    bend = log10 if chart.log else float
    right, low = WIDTH - _RIGHT, HEIGHT - _BOTTOM

    def at(x: float) -> float:
        return _LEFT + (x - x0) / (x1 - x0) * (right - _LEFT)

    def up(y: float) -> float:
        return _TOP + (1 - (bend(y) - y0) / (y1 - y0)) * (low - _TOP)

    for mark in _marks(chart, y0, y1):
        y = up(mark)
        yield f'<path class="grid" d="M{_LEFT} {y:.1f}H{right}"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{xml(chart.said(mark) if chart.percent else short(mark))}</text>'
    for mark in ticks(x0, x1, 4):
        if mark == int(mark):
            yield f'<text x="{min(at(mark), right - 10):.1f}" y="{HEIGHT - 4}" text-anchor="middle">{xml(short(mark, 6))}</text>'
    yield f'<path class="axis" d="M{_LEFT} {low}H{right}"/>'
    for series in chart.series:
        points = [(x, y) for x, y in zip(series.x, series.y, strict=True) if y is None or not chart.log or y > 0]
        values = [value for _, value in points]
        drawn = [("curve", values)]
        if chart.smooth and len(points) > 30:
            drawn = [("curve raw", values), ("curve", smoothed(values))]
        for kind, ys in drawn:
            d = _path([(at(x), None if y is None else up(y)) for (x, _), y in zip(points, ys, strict=True)])
            if d:
                dash = "" if series.dash == "none" else f' stroke-dasharray="{series.dash}"'
                name = f"<title>{xml(series.name)}: {xml(chart.said(series.last))}</title>"
                yield f'<path class="{kind}" d="{d}" stroke="{series.colour}"{dash}>{name}</path>'


def smoothed(values: Sequence[float | None]) -> list[float | None]:
    """The mean over a window of a fortieth of the curve, leaving out gaps."""
    half = max(1, round(len(values) / 80))
    found: list[float | None] = []
    for i in range(len(values)):
        window = [value for value in values[max(0, i - half) : i + half + 1] if value is not None]
        found.append(sum(window) / len(window) if window else None)
    return found


def ticks(low: float, high: float, count: float) -> list[float]:
    """About so many round numbers from low to high."""
    if not high > low:
        return [low]
    rough = (high - low) / count
    unit = 10.0 ** floor(log10(rough))
    step = next(k * unit for k in (1, 2, 5, 10) if k * unit >= rough * (1 - 1e-9))
    return [float(f"{k * step:.12g}") for k in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]


def _steps(chart: Chart) -> tuple[int, int]:
    every = [x for series in chart.series for x in series.x]
    low, high = min(every, default=0), max(every, default=1)
    return low, max(high, low + 1)


def _range(chart: Chart) -> tuple[float, float]:
    """Ends of the axis upwards, bent."""
    values = [
        y for series in chart.series for y in series.y if y is not None and isfinite(y) and (not chart.log or y > 0)
    ]
    if not chart.log:
        values += [end for end in (chart.low, chart.high) if end is not None]
    low, high = (min(values), max(values)) if values else (1.0, 1.0)
    if chart.log:
        low, high = log10(low), log10(high)
    room = 0.5 * (abs(low) or 1) if high - low < 1e-9 * max(1, abs(high)) else 0.0
    return low - room, high + room


def _marks(chart: Chart, low: float, high: float) -> list[float]:
    if not chart.log:
        return ticks(low, high, 4)
    if floor(high) - ceil(low) >= 1:
        return [10**e for e in ticks(ceil(low), floor(high), 4) if e == int(e)]
    return [mark for mark in ticks(10**low, 10**high, 3) if mark > 0]


def _path(points: Sequence[tuple[float, float | None]]) -> str:
    """The curve's `d`; of a long one the lowest and the highest point of each column, so that it stays short and loses no peak."""
    stride = max(1, len(points) // _POINTS)
    kept: list[tuple[float, float | None]] = []
    for i in range(0, len(points), stride):
        column = points[i : i + stride]
        whole = [(x, y) for x, y in column if y is not None]
        if stride == 1 or len(whole) < len(column):
            kept += column
        else:
            kept += sorted({min(whole, key=lambda p: p[1]), max(whole, key=lambda p: p[1]), whole[-1]})
    d, pen = "", "M"
    for x, y in kept:
        if y is not None:
            d += f"{pen}{x:.1f} {y:.1f}"
        pen = "M" if y is None else "L"
    return f"{d}h0.1" if d and "L" not in d else d
