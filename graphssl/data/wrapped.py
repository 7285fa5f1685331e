"""A source that keeps the images of another somewhere, and is that source in every other respect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from graphssl.data.place import Place
    from graphssl.data.sources import ImageSource


class Wrapped:
    """What does not concern pixels is left to `source`; `load` is the subclass's."""

    def __init__(self, source: ImageSource) -> None:
        self.name, self.classes = source.name, source.classes
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    def label(self, index: int) -> int:
        return self._source.label(index)

    def describe(self, index: int) -> str:
        return self._source.describe(index)

    def identity(self) -> Iterator[str]:
        return self._source.identity()

    def place(self, index: int) -> Place:
        return self._inner.place(index)  # type: ignore[no-any-return]

    def read(self, index: int) -> bytes:
        return self._inner.read(index)  # type: ignore[no-any-return]

    @property
    def shard_sizes(self) -> tuple[int, ...]:
        return getattr(self._source, "shard_sizes", ())

    @property
    def map_classes(self) -> tuple[str, ...]:
        return self._inner.map_classes  # type: ignore[no-any-return]

    def label_map(self, index: int) -> Tensor:
        return self._inner.label_map(index)  # type: ignore[no-any-return]

    def boxes(self, index: int) -> Tensor:
        return self._inner.boxes(index)  # type: ignore[no-any-return]

    @property
    def _inner(self) -> Any:
        """As one that may know of pixels (`graphssl.data.label_maps.Mapped`)."""
        return self._source


def unwrapped(source: object) -> object:
    """The source that others keep images of."""
    while isinstance(source, Wrapped):
        source = source._source
    return source
