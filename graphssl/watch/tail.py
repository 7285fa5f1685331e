"""A growing file, line by line: what was appended since the last look, and whether it is another file now."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from graphssl.views.run import LINE
from graphssl.watch.folder import RunFiles
from graphssl.watch.records import record

CHUNK = 2**18
BACKLOG = 8 * 2**20
"""Bytes of lines that a viewer gets of what was there before; of a longer file, every second, third, … line of a kind."""


@dataclass(frozen=True)
class Look:
    """What one look found. fresh: everything before belongs to another file. more: there is more to read at once."""

    records: tuple[dict[str, Any], ...]
    fresh: bool = False
    more: bool = False


class Tail:
    """Follows `name` in a run folder. A last line without its end is held back."""

    def __init__(self, files: RunFiles, name: str):
        self.files, self.name = files, name
        self.place: tuple[int, int] | None = None  # device and inode
        self.changed_at = 0.0  # of the file, seconds since 1970
        self._begin()

    def _begin(self) -> None:
        self.offset, self.rest, self.head, self.skipping = 0, b"", b"", False
        self.stride, self.old = 1, 0
        self.seen: dict[tuple[bool, bool], int] = {}

    def look(self) -> Look:
        """What was appended; OSError or Refused when the file is not there or not to be read."""
        with self.files.open(self.name) as file:
            about = os.fstat(file.fileno())
            place = (about.st_dev, about.st_ino)
            start = file.read(min(64, self.offset)) if self.offset else b""
            fresh = place != self.place or about.st_size < self.offset or start != self.head[: len(start)]
            if fresh:
                self._begin()
                self.place, self.old = place, about.st_size
                self.stride = -(-about.st_size // BACKLOG) or 1
            self.changed_at = about.st_mtime
            file.seek(self.offset)
            chunk = file.read(CHUNK)
        self.head = (self.head + chunk)[:64] if len(self.head) < 64 else self.head
        history = self.offset < self.old
        self.offset += len(chunk)
        records = [found for line in self._lines(chunk) if (found := record(line))]
        kept = [r for r in records if not history or r is records[-1] or "diagnosis" in r or self._kept(r)]
        return Look(tuple(kept), fresh, len(chunk) == CHUNK)

    def _lines(self, chunk: bytes) -> list[bytes]:
        *lines, self.rest = (self.rest + chunk).split(b"\n")
        if lines and self.skipping:
            lines, self.skipping = lines[1:], False
        if len(self.rest) > LINE:
            self.rest, self.skipping = b"", True
        return lines

    def _kept(self, found: dict[str, Any]) -> bool:
        """Whether a line of the history is passed on: of a long one, every so many of each kind."""
        kind = ("nodes" in found, "loss" in found)
        self.seen[kind] = self.seen.get(kind, -1) + 1
        return self.seen[kind] % self.stride == 0
