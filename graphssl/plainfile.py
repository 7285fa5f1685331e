"""Opening a file that somebody else named or put there: a plain file or an error, never a wait."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import IO

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOCTTY", 0)


def open_plain(path: str | Path) -> IO[bytes]:
    """A file for reading. OSError when it cannot be read, or is no plain file: a pipe would wait, a device never end."""
    try:
        handle = os.fdopen(os.open(path, _FLAGS), "rb")
    except ValueError as error:  # a NUL in the name
        raise OSError(errno.EINVAL, str(error), str(path)) from None
    if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
        handle.close()
        raise OSError(errno.EINVAL, "it is no plain file", str(path))
    return handle


def state_of(path: str | Path) -> str:
    """Size and time of change of a file, as words that are others when it was written to."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return "gone"
    return f"{found.st_size} {found.st_mtime_ns}"
