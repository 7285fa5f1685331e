"""Where the images of a curation lie: every `images` node opened, its images in the order of their places.

That order, not the one in which a folder or a list of shards gives them, numbers the images, so results do not depend on the latter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from graphssl.curate.flow import contributors, manifests
from graphssl.curate.sets import BITS, Ids, ids_of
from graphssl.data.errors import DataError
from graphssl.data.place import Place, Placed, placed
from graphssl.data.shards.names import PIPE
from graphssl.data.sources import open_data
from graphssl.data.subset import Subset
from graphssl.evaluate.frozen import identity
from graphssl.ir.graph import Graph, Node


class Listing:
    """The images of one `images` node in canonical order.

    listed: they may come into the manifest, which names no commands.

    Attributes:
        node: the node. number: its number among the nodes of its kind.
        source: the images, in the canonical order.

    Raises:
        DataError: it names no images, or images whose places cannot be written down.
    """

    def __init__(self, node: Node, number: int, *, listed: bool) -> None:
        self.node, self.number = node, number
        try:
            found = open_data(node.attrs["data"], node.attrs["split"])
            self._placed = placed(found)
            order = sorted(range(len(found)), key=self._placed.place)
            _require_names(self._placed, order, listed)
        except DataError as error:
            raise DataError(f"`{node.name}` ({node.span.place}): {error}") from None
        self.source = Subset(found, order)

    def __len__(self) -> int:
        return len(self.source)

    @cached_property
    def ids(self) -> Ids:
        """Of all its images (n)."""
        return ids_of(self.number, np.arange(len(self), dtype=np.int64))

    @cached_property
    def digest(self) -> str:
        """What tells these images from any others."""
        return identity(self.source)

    def place(self, number: int) -> Place:
        return self._placed.place(self.source.indices[number])


class Catalogue(Mapping[str, Listing]):
    """The listings of a curation by the names of their nodes."""

    def __init__(self, graph: Graph) -> None:
        trained_on = contributors(graph, [node.name for node in manifests(graph)])
        self._listings = [
            Listing(node, number, listed=node.name in trained_on) for number, node in enumerate(graph.sources())
        ]
        self._by_name = {listing.node.name: listing for listing in self._listings}

    def __getitem__(self, name: str) -> Listing:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._listings)

    def find(self, image: int) -> tuple[Listing, int]:
        """The listing that the image with this id is in, and its number there."""
        return self._listings[image >> BITS], image & ((1 << BITS) - 1)

    def of(self, image: int) -> Listing:
        """The listing that the image with this id is in."""
        return self.find(image)[0]

    def place(self, image: int) -> Place:
        listing, number = self.find(image)
        return listing.place(number)

    def split(self, ids: Ids) -> Iterator[tuple[Listing, NDArray[np.int64]]]:
        """Ascending ids by listing, each with the numbers there; listings without any are left out."""
        for listing in self._listings:
            first, last = np.searchsorted(ids, [listing.number << BITS, (listing.number + 1) << BITS])
            if last > first:
                yield listing, ids[first:last] & np.int64((1 << BITS) - 1)


def _require_names(source: Placed, order: list[int], listed: bool) -> None:
    """Refuse places that a manifest cannot hold. Raises DataError for the first."""
    for place in map(source.place, order):
        words = place.path or f"{place.shard}/{place.key}"
        try:
            words.encode()
        except UnicodeEncodeError:
            raise DataError(f"the name of {words!r} is not UTF-8: rename the file, or move it away") from None
        if listed and place.shard.startswith(PIPE):
            raise DataError(
                "its images come out of a command, and a manifest names none: write them into shards first, with `graphssl shard`"
            )
