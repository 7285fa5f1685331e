"""Features in the plane: a scatter of points coloured by class."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from graphssl.evaluate.encoder import RunEncoder
from graphssl.pictures.features import Features, picture_of
from graphssl.pictures.page import data_uri
from graphssl.runtime.errors import RunError
from graphssl.views.escape import xml
from graphssl.views.measure import text_width
from graphssl.views.page.parts import filled, part, policy, reading_style
from graphssl.views.palette import FONTS, LINES
from graphssl.views.png import raster

SUFFIXES = (".html", ".svg", ".png")
SIDE = 560
THUMB = 32
"""Pixels of an image under the pointer, as it is kept in the page."""

NAMES = {"tsne": "t-SNE", "umap": "UMAP", "pca": "PCA"}
_MORE = (
    "#4c3f91",
    "#8c564b",
    "#b5bd00",
    "#1b9e9e",
    "#ad2e57",
    "#3d3d3d",
    "#f28e9c",
    "#6b8e23",
    "#2f4b7c",
    "#a0752d",
    "#9f7fd1",
    "#57a773",
)
_COLOURS = (*LINES, *_MORE)


@dataclass(frozen=True)
class Projection:
    """Points (n 2), each from 0 to 1, of features by a way of NAMES."""

    title: str
    note: str
    points: NDArray[np.float64]
    features: Features

    def save(self, path: str | Path) -> None:
        """Write FILE.html, .svg or .png; RunError for another suffix."""
        path = Path(path)
        refuse_format(path)
        if path.suffix.lower() == ".html":
            path.write_text(self.page(), encoding="utf-8")
        else:
            drawn = standalone(self)
            path.write_bytes(raster(drawn) if path.suffix.lower() == ".png" else drawn.encode())

    def page(self) -> str:
        """The scatter as a page; the image of the point under the pointer is shown."""
        script = hover()
        parts = {
            "policy": policy(script),
            "title": xml(self.title),
            "style": reading_style(__package__, "sheet.css"),
            "body": f"<main>{figure(self)}</main><script>{script}</script>",
        }
        return filled(part("graphssl.views.page", "plain.html"), parts)


def refuse_format(path: str | Path) -> None:
    """RunError for a file that a projection cannot be written as."""
    if Path(path).suffix.lower() not in SUFFIXES:
        raise RunError(f"a projection is written as {', '.join(SUFFIXES)}, not as `{Path(path).name}`")


def project(encoder: RunEncoder, features: Features, *, by: str = "tsne", seed: int = 0) -> Projection:
    """L2-normalised features in the plane: t-SNE (van der Maaten and Hinton 2008), UMAP (arXiv:1802.03426) or PCA.

    Raises:
        RunError: fewer than 8 images; UMAP is not installed.
    """
    if len(features.features) < 8:
        raise RunError(f"{len(features.features)} images are too few for a projection: take at least 8")
    rows = features.features / features.features.norm(dim=1, keepdim=True).clamp_min(1e-12)
    points = _plane(rows.double().numpy(), by, seed)
    low, high = points.min(axis=0), points.max(axis=0)
    return Projection(
        f"{NAMES[by]} of {encoder.graph.represent} of {encoder.graph.name}",
        f"{len(points)} images, l2-normalised features of {encoder.width} numbers, seed {seed}",
        (points - low) / np.maximum(high - low, 1e-12),
        features,
    )


def _plane(rows: NDArray[np.float64], by: str, seed: int) -> NDArray[np.float64]:
    if by == "umap":
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of numba, and of UMAP that a seed means one thread
                from umap import UMAP

                return np.asarray(UMAP(random_state=seed).fit_transform(rows), dtype=np.float64)
        except ImportError:
            raise RunError("UMAP is not installed: pip install graphssl[umap], or take --by tsne") from None
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if by == "pca":
        return np.asarray(PCA(2, random_state=seed).fit_transform(rows))
    perplexity = min(30.0, (len(rows) - 1) / 3)
    return np.asarray(
        TSNE(2, init="pca", perplexity=perplexity, random_state=seed).fit_transform(rows), dtype=np.float64
    )


def figure(found: Projection) -> str:
    """As an element for a page that has the rules of sheet.css and the script `hover()`."""
    atlas, across = _atlas(found.features)
    entries = "".join(
        f'<li><i style="background: {_colour(i)}"></i>{xml(name)}</li>' for i, name in enumerate(_classes(found))
    )
    legend = f'<ul class="classes">{entries}</ul>' if entries else ""
    return (
        f'<figure class="sheet projection" data-across="{across}"><figcaption><b>{xml(found.title)}</b> '
        f'<span>{xml(found.note)}</span></figcaption><div class="plane"><svg viewBox="0 0 {SIDE} {SIDE}" role="img" '
        f'aria-label="{xml(found.title)}">{_circles(found)}</svg><div class="tip" hidden><i></i><span></span></div>'
        f'<img class="atlas" alt="" hidden src="{atlas}"></div>{legend}</figure>'
    )


def hover() -> str:
    """The script that shows the image under the pointer."""
    return part(__package__, "projection.js")


def standalone(found: Projection) -> str:
    """As an SVG on white."""
    names = _classes(found)
    right = SIDE + 40 if names else SIDE + 16
    width = right + max((text_width(name, 12) + 30 for name in names), default=0)
    height = max(SIDE + 76, 80 + 20 * len(names))
    legend = "".join(
        f'<circle cx="{right + 6}" cy="{70 + 20 * i}" r="5" fill="{_colour(i)}"/><text x="{right + 18}" y="{74 + 20 * i}">{xml(name)}</text>'
        for i, name in enumerate(names)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f"<title>{xml(found.title)}</title><style>text {{ font-family: {FONTS}; font-size: 12px; fill: #1f2328; }}</style>"
        f'<rect width="{width}" height="{height}" fill="#ffffff"/><text x="16" y="28" style="font-size: 16px; font-weight: bold">{xml(found.title)}</text>'
        f'<text x="16" y="46" style="fill: #59636e">{xml(found.note)}</text><g transform="translate(16 60)">{_circles(found)}</g>{legend}</svg>\n'
    )


def _circles(found: Projection) -> str:
    labels, radius = found.features.labels.tolist(), 3.2 if len(found.points) > 500 else 4.5
    places = (8 + (SIDE - 16) * found.points).round(1).tolist()
    return "".join(
        f'<circle cx="{x:g}" cy="{y:g}" r="{radius}" fill="{_colour(label)}" fill-opacity="0.75"/>'
        for (x, y), label in zip(places, labels, strict=True)
    )


def _classes(found: Projection) -> Sequence[str]:
    return found.features.source.classes


def _colour(label: int) -> str:
    return _COLOURS[label % len(_COLOURS)]


def _atlas(features: Features) -> tuple[str, int]:
    """All images in one, row by row, as an address, and how many stand in a row."""
    across = ceil(len(features.indices) ** 0.5)
    sheet = Image.new("RGB", (across * THUMB, ceil(len(features.indices) / across) * THUMB))
    for i, index in enumerate(features.indices):
        small = picture_of(features.source, index).resize((THUMB, THUMB), Image.Resampling.LANCZOS)
        sheet.paste(small, (i % across * THUMB, i // across * THUMB))
    return data_uri(sheet, most=max(sheet.size)), across
