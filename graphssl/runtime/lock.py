"""A file that one process holds for as long as it lives; the system lets go of it, after `kill -9` too.

Not the library filelock: its locks are inherited by forked workers, which outlive a killed run by some seconds.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from graphssl.runtime.errors import RunError

try:
    import fcntl
except ImportError:  # Windows: nothing keeps a second run away
    fcntl = None  # type: ignore[assignment]


class Held(Exception):
    """Another process has the lock: who, in words."""


class Lock:
    """The lock at `path`; it says in its file who holds it, and takes the file away when let go."""

    def __init__(self, path: Path):
        self.path = path
        self.handle: int | None = None

    def acquire(self) -> None:
        """Take it, or raise Held at once. OSError when the file cannot be made."""
        while self.handle is None:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                _lock(handle)
                if _is_at(handle, self.path):  # else its last holder took it away just now
                    os.ftruncate(handle, 0)
                    os.write(handle, _me().encode())
                    self.handle = handle
            finally:
                if self.handle is None:
                    os.close(handle)

    def release(self) -> None:
        """Let go. A file that is another's by now, since the folder was moved or made again, stays."""
        if self.handle is not None:
            if _is_at(self.handle, self.path):
                with suppress(OSError):  # the folder became read-only
                    self.path.unlink()
            os.close(self.handle)
            self.handle = None


@contextmanager
def held(path: Path, refusal: str) -> Iterator[None]:
    """Hold the lock within. RunError, `refusal` and then who has it, where another process does; OSError as of `acquire`."""
    lock = Lock(path)
    try:
        lock.acquire()
    except Held as other:
        raise RunError(f"{refusal} {other}: wait, or choose another -o") from None
    try:
        yield
    finally:
        lock.release()


def _lock(handle: int) -> None:
    if fcntl is None:
        return
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            raise Held(os.read(handle, 500).decode("utf-8", "replace") or "another process") from None
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):  # a file system without locks
            raise


def _is_at(handle: int, path: Path) -> bool:
    """Whether the open file is still the one at `path`."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False


def _me() -> str:
    return f"process {os.getpid()} on {socket.gethostname()} (since {time.strftime('%Y-%m-%d %H:%M:%S')})"
