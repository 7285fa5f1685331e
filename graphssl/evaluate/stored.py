"""Features on disk, so that a second protocol need not compute them again."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from graphssl.plainfile import open_plain
from graphssl.runtime.errors import RunError, reason
from graphssl.runtime.lock import Held, Lock
from graphssl.runtime.untrusted import read_tensors
from graphssl.wholefile import whole

Features = tuple[Tensor, Tensor]
"""Rows (n d) float32 and labels (n) int64, on the CPU."""

Key = Mapping[str, Any]
"""All that features depend on, as JSON."""


class Stored:
    """The features in a folder, a file for each kind, data set and split; the newest replace older ones.

    What is there counts only where its key is the same: other weights, other images or another view are computed anew. Where nothing
    can be written, that is told once and features are computed each time.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writable = True

    def get(self, name: str, key: Key, compute: Callable[[], Features]) -> Features:
        """The features of this key; computed, and kept, if they are not there."""
        file = self.folder / f"{_slug(name)}.safetensors"
        found = _read(file, key)
        if found is None:
            found = compute()
            self._write(file, key, found)
        return found

    def _write(self, file: Path, key: Key, features: Features) -> None:
        if not self._writable:
            return
        lock = Lock(self.folder / ".lock")
        try:
            self.folder.mkdir(exist_ok=True)
            lock.acquire()
            with whole(file) as temporary:
                tensors = dict(zip(("features", "labels"), features, strict=True))
                save_file(tensors, temporary, {"key": _text(key)})
        except Held:  # another evaluation keeps its own just now
            pass
        except (OSError, SafetensorError) as error:
            self._writable = False
            why = reason(error) if isinstance(error, OSError) else error
            print(f"features are not kept in `{self.folder}`: {why}", file=sys.stderr)
        finally:
            lock.release()


def _read(file: Path, key: Key) -> Features | None:
    """What is in a file if it has this key; a damaged file counts as none."""
    try:
        open_plain(file).close()
        with safe_open(file, framework="pt") as opened:
            if (opened.metadata() or {}).get("key") != _text(key):
                return None
        tensors = read_tensors(file)
        rows, labels = tensors["features"], tensors["labels"]
    except (OSError, SafetensorError, KeyError, RunError):
        return None
    return (rows, labels) if rows.dim() == 2 and labels.shape == rows.shape[:1] else None


def _text(key: Key) -> str:
    return json.dumps(key, sort_keys=True)


def _slug(name: str) -> str:
    """As a file name: readable, and another for another name."""
    return f"{re.sub(r'[^A-Za-z0-9.]+', '-', name)[:60].strip('-')}-{blake2b(name.encode('utf-8', 'surrogateescape'), digest_size=4).hexdigest()}"
