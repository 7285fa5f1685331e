"""What tells one set of images from any other, in a hash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphssl.data.sources import ImageSource


def identified(found: Any, source: ImageSource) -> Any:
    """A hash object of hashlib, fed with the words of a source's `identity`; no image is decoded."""
    for words in source.identity():
        found.update(f"{len(words)} {words}\n".encode("utf-8", "surrogateescape"))
    return found
