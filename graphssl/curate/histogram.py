"""How similar images are, as bars of a panel with the threshold that acted on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import floor, log10

import numpy as np
from numpy.typing import NDArray

from graphssl.report.chart import HEIGHT, WIDTH, short, ticks
from graphssl.views.escape import xml

BARS = 40
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 10, 14, 18

Similarities = NDArray[np.float32]


def histogram(title: str, kept: Similarities, dropped: Similarities, threshold: float | None) -> str:
    """A panel; nothing where there are no similarities.

    kept, dropped: of one image each; those that are not finite are left out.
    """
    kept, dropped = kept[np.isfinite(kept)], dropped[np.isfinite(dropped)]
    both = np.concatenate([kept, dropped])
    if not len(both):
        return ""
    if threshold is not None:
        both = np.append(both, np.float32(threshold))
    edges = np.linspace(floor(float(both.min()) * 20) / 20, max(1.0, float(both.max())), BARS + 1)
    counts = np.stack([np.histogram(each, edges)[0] for each in (kept, dropped)])
    drawn = "".join([*_grid(edges, counts.sum(axis=0)), *_bars(edges, counts), *_threshold(edges, threshold)])
    named = (("kept", kept), ("dropped", dropped))
    legend = "".join(f'<li><i class="{name}"></i>{name} <b>{len(each):,}</b></li>' for name, each in named if len(each))
    return (
        f'<div class="panel similarities"><h3><span>{xml(title)}</span></h3>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{xml(_said(title, named))}">{drawn}</svg>'
        f'<ul class="names">{legend}</ul></div>'
    )


def _said(title: str, named: Sequence[tuple[str, Similarities]]) -> str:
    parts = [
        f"{len(each):,} {name}, {each.min():.3f} to {each.max():.3f}, half of them above {np.median(each):.3f}"
        for name, each in named
        if len(each)
    ]
    return f"{title}: {'; '.join(parts)}"


def _grid(edges: NDArray[np.float64], counts: NDArray[np.int64]) -> Iterator[str]:
    right, low = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    top = int(log10(counts.max()))
    for power in range(0, top + 1, max(1, top // 3)):
        y = _up(10**power, counts.max())
        yield f'<path class="grid" d="M{_LEFT} {y:.1f}H{right}"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{10**power:,}</text>'
    for mark in ticks(edges[0], edges[-1], 5):
        yield f'<text x="{_at(mark, edges):.1f}" y="{HEIGHT - 4}" text-anchor="middle">{short(mark)}</text>'
    yield f'<path class="axis" d="M{_LEFT} {low}H{right}"/>'


def _bars(edges: NDArray[np.float64], counts: NDArray[np.int64]) -> Iterator[str]:
    """Of each step what is dropped, and above it what is kept, on a logarithmic scale of images."""
    most, low = counts.sum(axis=0).max(), HEIGHT - _BOTTOM
    for i, (kept, dropped) in enumerate(counts.T.tolist()):
        x, wide = _at(edges[i], edges), _at(edges[i + 1], edges) - _at(edges[i], edges) - 0.8
        told = f"<title>{edges[i]:.3f} to {edges[i + 1]:.3f}: {kept:,} kept, {dropped:,} dropped</title>"
        between = _up(dropped, most) if dropped else low
        if dropped:
            yield f'<path class="dropped" d="M{x:.1f} {low}h{wide:.1f}V{between:.1f}h{-wide:.1f}z">{told}</path>'
        if kept:
            yield f'<path class="kept" d="M{x:.1f} {between:.1f}h{wide:.1f}V{_up(kept + dropped, most):.1f}h{-wide:.1f}z">{told}</path>'


def _threshold(edges: NDArray[np.float64], threshold: float | None) -> Iterator[str]:
    if threshold is None:
        return
    x = _at(threshold, edges)
    yield f'<path class="threshold" d="M{x:.1f} {_TOP - 2}V{HEIGHT - _BOTTOM}"/>'
    yield f'<text class="threshold" x="{x:.1f}" y="{_TOP - 4}" text-anchor="middle">threshold {threshold:g}</text>'


def _at(similarity: float, edges: NDArray[np.float64]) -> float:
    return float(_LEFT + (similarity - edges[0]) / (edges[-1] - edges[0]) * (WIDTH - _RIGHT - _LEFT))


def _up(count: int, most: int) -> float:
    """A logarithmic axis on which half an image is the ground."""
    return _TOP + (1 - log10(2 * count) / log10(2 * most)) * (HEIGHT - _BOTTOM - _TOP)
