"""Where an image lies, in words that a manifest keeps and another machine may read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from graphssl.data.errors import DataError
from graphssl.data.wrapped import unwrapped

if TYPE_CHECKING:
    from graphssl.data.sources import ImageSource


@dataclass(frozen=True, order=True)
class Place:
    """A plain file, or a member of an archive or shard.

    Attributes:
        path: the absolute path of a file; "" for a member.
        shard: the absolute path, URL or `pipe:` of an archive; "" for a file.
        key: the member's name; of a WebDataset shard the sample's key, of a Parquet file the number of the row.
    """

    path: str = ""
    shard: str = ""
    key: str = ""


class Placed(Protocol):
    """A source whose images lie somewhere, encoded."""

    def place(self, index: int) -> Place: ...

    def read(self, index: int) -> bytes:
        """The encoded image. Raises `BadImage`."""
        ...


def placed(source: ImageSource) -> Placed:
    """The same source as one whose images have places. Raises DataError where they have none."""
    if not hasattr(unwrapped(source), "place"):
        raise DataError(
            f"the images of `{source.name}` lie in no file of their own; write them into shards first "
            f"(`graphssl shard {source.name} -o FOLDER`) and name `wds:FOLDER`"
        )
    return cast("Placed", source)
