"""All pictures of a run, for its report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphssl.evaluate.encoder import RunEncoder, load_encoder
from graphssl.pictures.attention import attention_sheet
from graphssl.pictures.features import both_sets, features_of, spread
from graphssl.pictures.neighbours import neighbours_sheet
from graphssl.pictures.page import figure
from graphssl.pictures.pca import pca_sheet
from graphssl.pictures.photos import Photo, read_photos
from graphssl.pictures.projection import figure as plane
from graphssl.pictures.projection import hover, project
from graphssl.runtime.errors import RunError

PHOTOS, QUERIES, POINTS = 6, 6, 800
"""Images of the sheets, queries, and points of the projection."""


def gallery(
    run: str, images: Sequence[str], data: str | None, *, device: str | None = None, plugins: Sequence[str] = ()
) -> tuple[list[str], str, str]:
    """PCA and attention of these images, or else of some of the data's; of data also neighbours and a projection by t-SNE.

    As elements of a page; a sentence about what cannot be drawn; the script that they need.
    """
    encoder = load_encoder(run, plugins=plugins).to(device or "cpu")
    notes: list[str] = []
    drawn: list[str] = []
    photos = read_photos(images) if images else list(_photos(data or ""))
    for sheet_of in (pca_sheet, attention_sheet):
        try:
            drawn.append(figure(sheet_of(encoder, photos)))
        except RunError as error:  # a ConvNet has no attention, one image no PCA
            notes.append(f"{error}.")
    if data:
        drawn += _of_data(encoder, data)
    return drawn, " ".join(notes), hover() if data else ""


def _photos(data: str) -> Iterator[Photo]:
    test, _, _ = both_sets(data, 0)
    for index in spread(test, PHOTOS):
        yield Photo(test.classes[test.label(index)] if test.classes else str(index), test.load(index))


def _of_data(encoder: RunEncoder, data: str) -> Iterator[str]:
    test, train, rest = both_sets(data, QUERIES)
    bank = features_of(encoder, train, rest)
    yield figure(
        neighbours_sheet(encoder, features_of(encoder, test, spread(test, QUERIES)), bank, k=min(8, len(bank.indices)))
    )
    points = features_of(encoder, test, spread(test, POINTS))
    if len(points.indices) >= 8:
        yield plane(project(encoder, points))
