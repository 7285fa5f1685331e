"""Shards on this machine's disk, as plain tars that are read in place.

A shard that is one already stays where it is. Any other, which is remote, comes out of a command, is compressed, or is a Parquet file, is
fetched whole into the cache folder, where the processes of a machine share it. The cache holds GRAPHSSL_SHARDS_GB (20); beyond that what
was not used for longest goes. A file appears under its name when it is whole and was compared with what the index says of it.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import IO

from graphssl.data.archive import cache_folder
from graphssl.data.errors import BadShard, DataError
from graphssl.data.shards.names import PIPE, is_remote
from graphssl.data.shards.parquet import MAGIC, unpack_parquet
from graphssl.data.tar import unpack_tar, unpacker_of
from graphssl.language.diagnostics import first_line
from graphssl.plainfile import open_plain, state_of
from graphssl.wholefile import whole

try:
    import fcntl
except ImportError:  # Windows: two processes may fetch the same shard
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

DELAYS = (1.0, 4.0, 16.0)  # seconds before a fetch that failed is tried again
_KEEP_FREE = 1 << 28  # bytes of disk that are left to others
_PIECE = 1 << 20
_ABANDONED = 24 * 3600.0  # seconds after which what was never finished goes
_USED_AGAIN = 60.0  # seconds after which a shard that is used counts as used anew


@dataclass(frozen=True)
class Shard:
    """A shard by its absolute path, URL or `pipe:` command. size, md5: of the file, where an index says them."""

    url: str
    size: int | None = None
    md5: str = ""

    @property
    def key(self) -> str:
        """What its copy is called: other content has another name, as far as that is known without reading it."""
        state = f"{self.size} {self.md5}" if is_remote(self.url) else state_of(self.url)
        return blake2b(f"{self.url}\0{state}".encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()


def on_disk(shard: Shard) -> Path:
    """The shard as a file that is read in place. Raises `BadShard`; DataError where it cannot be written."""
    if not is_remote(shard.url) and is_plain(shard.url):
        return Path(shard.url)
    target = folder() / f"{shard.key}.shard"
    if not _in_use(target):
        with _alone(target):
            if not target.exists():
                _fetch(shard, target)
                _make_room(target)
    return target


def prefetch(shard: Shard) -> None:
    """Have a shard on this machine's disk. What is wrong with it is told when it is used."""
    with suppress(DataError):
        on_disk(shard)


def folder() -> Path:
    """Where fetched shards are kept. Raises DataError where it cannot be made."""
    home = cache_folder() / "shards"
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot write to the cache folder `{home}`: {error}; set GRAPHSSL_CACHE") from None
    return home


@lru_cache(maxsize=1 << 16)
def is_plain(path: str) -> bool:
    """Whether a file can be read in place: no Parquet file, and not compressed. Raises `BadShard`."""
    try:
        with open_plain(path) as file:
            start = file.read(8)
    except OSError as error:
        raise BadShard(f"the shard `{path}` {_why(error)}") from None
    return not (start.startswith(MAGIC) or unpacker_of(start))


def _in_use(target: Path) -> bool:
    """Whether it is there; then it counts as used now."""
    try:
        if time.time() - target.stat().st_mtime > _USED_AGAIN:
            os.utime(target)
    except OSError:
        return False
    return True


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """No other process or thread fetches this shard within."""
    lock = os.open(target.with_name(f".lock-{target.name[:2]}"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        if fcntl is not None:  # closing alone does not, where a process was forked meanwhile
            fcntl.flock(lock, fcntl.LOCK_UN)
        os.close(lock)


def _fetch(shard: Shard, target: Path) -> None:
    for delay in (*(DELAYS if is_remote(shard.url) else ()), None):
        try:
            _fetch_once(shard, target)
            return
        except FileNotFoundError:
            raise BadShard(f"the shard `{shard.url}` is missing") from None
        except DataError:
            raise
        except Exception as error:  # fsspec's file systems raise many kinds, none of them promised
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DataError(
                    f"`{shard.url}` does not fit on the disk of `{target.parent}`; set GRAPHSSL_CACHE"
                ) from None
            if delay is None:
                raise BadShard(f"the shard `{shard.url}` {_why(error)}") from None
            log.warning("the shard `%s` %s; the next attempt follows", shard.url, _why(error))
            time.sleep(delay)


def _fetch_once(shard: Shard, target: Path) -> None:
    with whole(target) as part:
        if not is_remote(shard.url):
            _unpack(Path(shard.url), part, shard)
            return
        _copy(shard, part)
        with part.open("rb") as file:
            start = file.read(8)
        if start.startswith(MAGIC) or unpacker_of(start):
            packed = part.with_suffix(".packed")
            part.rename(packed)
            try:
                _unpack(packed, part, shard)
            finally:
                packed.unlink()


def _unpack(packed: Path, part: Path, shard: Shard) -> None:
    with packed.open("rb") as file:
        parquet = file.read(4) == MAGIC
    with part.open("wb") as out:
        (unpack_parquet if parquet else unpack_tar)(packed, out, shard.url)


def _copy(shard: Shard, part: Path) -> None:
    """Copy what comes; raises OSError where it is not as long as it should be."""
    digest, length = hashlib.md5(usedforsecurity=False), 0
    with _opened(shard.url) as stream, part.open("wb") as out:
        expected = shard.size if shard.size is not None else getattr(stream, "size", None)
        while piece := stream.read(_PIECE):
            if shutil.disk_usage(part.parent).free < _KEEP_FREE + len(piece):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            digest.update(piece)
            length += out.write(piece)
    if expected is not None and length != expected:
        raise OSError(f"is damaged: it has {length:,} bytes instead of {expected:,}")
    if shard.md5 and digest.hexdigest() != shard.md5:
        raise OSError("is damaged: its MD5 is not that of the index")


@contextmanager
def _opened(url: str) -> Iterator[IO[bytes]]:
    if not url.startswith(PIPE):
        import fsspec

        with fsspec.open(url, "rb") as stream:
            yield stream
        return
    command = url.removeprefix(PIPE)
    with subprocess.Popen(command, shell=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        yield process.stdout
    if process.returncode:
        raise OSError(f"cannot be read: the command ended with {process.returncode}")


def _make_room(kept: Path) -> None:
    """Remove what was not used for longest until the rest fits; who reads it still has it open."""
    found = []
    for path in (*kept.parent.glob("*.shard"), *kept.parent.glob(".*.p*")):
        with suppress(OSError):  # another process was faster
            state = path.stat()
            if path.suffix == ".shard":
                found.append((state.st_mtime, state.st_size, path))
            elif time.time() - state.st_mtime > _ABANDONED:
                path.unlink()
    excess = sum(size for _, size, _ in found) - _room()
    for _, size, path in sorted(found):
        if excess > 0 and path != kept:
            path.unlink(missing_ok=True)
            excess -= size


def _room() -> float:
    """Bytes that the cache may hold."""
    words = os.environ.get("GRAPHSSL_SHARDS_GB", "20")
    try:
        return float(words) * 2**30
    except ValueError:
        raise DataError(f"GRAPHSSL_SHARDS_GB is a number of gigabytes, got `{words}`") from None


def _why(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "is missing"
    text = first_line(error) if not isinstance(error, OSError) or not error.strerror else error.strerror.lower()
    return text if text.startswith(("is ", "cannot ")) else f"cannot be read: {text}"
