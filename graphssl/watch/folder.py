"""The files of a run folder, opened so that nothing outside of it can be read, whoever writes into it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import IO


class Refused(Exception):
    """A file of the folder that is no plain file of the folder: what it is."""


_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True)
class RunFiles:
    """A run folder by its real path. Links in it, or in its place, are not followed."""

    path: Path

    @property
    def exists(self) -> bool:
        return self.path.is_dir() and not self.path.is_symlink()

    def open(self, name: str) -> IO[bytes]:
        """A file of the folder for reading. OSError when it cannot be read, Refused when it is a link, a pipe or the like."""
        for what, place in (("the run folder", self.path), (f"`{name}`", self.path / name)):
            if place.is_symlink():
                raise Refused(f"{what} is a link, and links are not followed")
        handle = os.fdopen(self._descriptor(name), "rb")
        if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
            handle.close()
            raise Refused(f"`{name}` is no plain file")
        return handle

    def _descriptor(self, name: str) -> int:
        """The open file; a link put in the way after the check fails, too, where the system can tell."""
        if os.open not in os.supports_dir_fd:
            return os.open(self.path / name, _FLAGS)
        folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            return os.open(name, _FLAGS, dir_fd=folder)
        finally:
            os.close(folder)

    def text(self, name: str, most: int = 4 * 2**20) -> str:
        """The beginning of a file, at most `most` bytes; nothing where it cannot be read."""
        try:
            with self.open(name) as file:
                return file.read(most).decode("utf-8", "replace")
        except (OSError, Refused):
            return ""
