"""Sheets of a few images of a stage, spread over what there is to see. Which ones depends on its result alone, not on how large it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from graphssl.curate.catalogue import Catalogue
from graphssl.curate.manifest import shown
from graphssl.curate.sets import NONE, ImageSet
from graphssl.data.errors import BadImage, DataError
from graphssl.pictures.features import picture_of
from graphssl.pictures.sheet import SIDE, Cell, Row, Sheet

Rows = NDArray[np.int64]
"""Rows of a set that are shown."""

PAIRS, GROUPS, ACROSS, SINGLE = 12, 6, 6, 12
"""Pairs of a sheet, rows of one with groups and the images of each, images of one without either."""

_GREY = (208, 215, 222)


class Examples:
    """Draws sheets of the images of a curation; one that cannot be read any more is a grey square with its name."""

    def __init__(self, images: Catalogue) -> None:
        self._images = images

    def pairs(self, title: str, note: str, heads: tuple[str, str], shown: ImageSet) -> Sheet:
        """Each image beside the one that it is like."""
        rows = [
            Row((self.cell(like), self.cell(image, similarity)))
            for image, like, similarity in zip(shown.ids, shown.like, shown.similarity, strict=True)
        ]
        return Sheet(title, note, heads, tuple(rows))

    def dropped(self, dropped: ImageSet, threshold: float) -> Iterator[Sheet]:
        """Pairs above a threshold, those at it first, and the largest groups of copies."""
        note = (
            "from the threshold upwards; the similarity is to the nearest image of its group, which may be another than "
            "the one that stays"
        )
        chosen = dropped.where(at_threshold(dropped.similarity, threshold, PAIRS))
        yield self.pairs("Dropped", note, ("like this", "dropped"), chosen)
        yield self.groups(dropped)

    def spared(self, spared: ImageSet, threshold: float) -> Iterator[Sheet]:
        """Pairs below a threshold, those at it first."""
        below = once(spared.where((spared.like != NONE) & (spared.similarity <= threshold)))
        note = "each with the image that is nearest to it, from the threshold downwards; if these are the same picture, the threshold is too high"
        chosen = below.where(at_threshold(below.similarity, threshold, PAIRS))
        yield self.pairs("Not dropped", note, ("nearest", "stays"), chosen)

    def groups(self, dropped: ImageSet) -> Sheet:
        """The largest groups of copies: what stays, and some of what does not. A group that should be several shows a threshold too low."""
        numbers, sizes = np.unique(dropped.cluster[dropped.cluster != NONE], return_counts=True)
        largest = numbers[np.lexsort((numbers, -sizes))][:GROUPS]
        found = [np.flatnonzero(dropped.cluster == number) for number in largest]
        rows = [self._group(dropped, members, f"stays for {len(members) + 1:,}") for members in found]
        note = "all that is joined by a chain of pairs; if these are not the same picture, the threshold is too low"
        return Sheet("Largest groups", note, ("stays", *["dropped"] * ACROSS), tuple(rows))

    def retrieved(self, kept: ImageSet) -> Iterator[Sheet]:
        """Queries from the least to the most similar, each with images that were retrieved for it."""
        order = np.lexsort((-kept.similarity, kept.like))
        queries, first = np.unique(kept.like[order], return_index=True)
        best = np.lexsort((queries, kept.similarity[order[first]]))
        asked = queries[best[evenly(len(queries), GROUPS)]]
        found = [order[kept.like[order] == query] for query in asked]
        rows = [self._group(kept, members[:ACROSS], "query") for members in found]
        note = (
            "from the query whose nearest image is the least similar to the one whose nearest is the most; "
            "what several retrieve is shown with the nearest"
        )
        yield Sheet("Retrieved", note, ("query", *["retrieved"] * ACROSS), tuple(rows))

    def clusters(self, kept: ImageSet) -> Iterator[Sheet]:
        """Clusters from the largest to the smallest, each with images that it gave."""
        numbers, sizes = np.unique(kept.cluster[kept.cluster != NONE], return_counts=True)
        order = np.lexsort((numbers, -sizes))
        rows = []
        for place in order[evenly(len(order), GROUPS)]:
            members = np.flatnonzero(kept.cluster == numbers[place])
            of_it = kept.ids[members[evenly(len(members), ACROSS)]]
            name = f"cluster {numbers[place]}: {sizes[place]:,}"
            rows.append(Row((self.cell(int(of_it[0]), label=name), *map(self.cell, of_it[1:].tolist()))))
        note = f"{len(numbers):,} clusters gave images: from the one that gave most to the one that gave fewest"
        yield Sheet("Clusters", note, ("of a cluster",) * ACROSS, tuple(rows))

    def plain(self, kept: ImageSet) -> Iterator[Sheet]:
        """Images at even distances."""
        cells = [Row((self.cell(image),)) for image in kept.ids[evenly(len(kept), SINGLE)].tolist()]
        yield Sheet("Some of them", "at even distances in the order of their places", ("image",), tuple(cells))

    def _group(self, images: ImageSet, members: Rows, label: str) -> Row:
        """What they are like, and some of them, the most similar first."""
        order = members[np.argsort(-images.similarity[members], kind="stable")]
        some = order[evenly(len(order), ACROSS)]
        cells = [self.cell(int(images.ids[row]), float(images.similarity[row])) for row in some]
        return Row((self.cell(int(images.like[members[0]]), label=label), *cells))

    def cell(self, image: int, similarity: float = np.nan, label: str = "") -> Cell:
        """An image with its name, or what stands for it where it cannot be read."""
        listing, number = self._images.find(int(image))
        name = short_name(shown(listing.place(number)))
        said = label or (name if np.isnan(similarity) else f"{similarity:.3f} {name}")
        try:
            picture = picture_of(listing.source, number)
            picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
            return Cell(picture, said)
        except (BadImage, DataError, OSError):
            return Cell(Image.new("RGB", (SIDE, SIDE), _GREY), f"cannot be read: {said}")


def at_threshold(similarity: NDArray[np.float32], threshold: float, count: int) -> Rows:
    """So many rows at most, from the threshold on to the similarity farthest from it, the closer to the threshold the denser."""
    distance = np.abs(similarity - threshold)
    order = np.argsort(distance, kind="stable")
    wanted = distance.max(initial=0) * np.linspace(0, 1, count) ** 2
    places = np.searchsorted(distance[order], wanted * (1 - 1e-6))
    found: Rows = order[np.unique(places[places < len(order)])]
    return found


def evenly(length: int, count: int) -> Rows:
    """So many of 0, ..., length - 1 at even distances, or all."""
    return np.unique(np.linspace(0, length - 1, min(length, count)).round().astype(np.int64))


def once(pairs: ImageSet) -> ImageSet:
    """Without the second of two images that name each other."""
    at = np.minimum(np.searchsorted(pairs.ids, pairs.like), max(len(pairs) - 1, 0))
    mutual = (pairs.ids[at] == pairs.like) & (pairs.like[at] == pairs.ids)
    return pairs.where(~mutual | (pairs.ids < pairs.like))


def short_name(place: str) -> str:
    """The end of a place, with the folder or shard that it is in."""
    return "/".join(PurePosixPath(place).parts[-2:])
