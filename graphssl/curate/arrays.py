"""Arrays in files: written whole or not at all, read or refused in one sentence. It knows nothing of what they mean."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from graphssl.plainfile import open_plain, state_of
from graphssl.runtime.errors import RunError, reason
from graphssl.wholefile import whole

Array = NDArray[Any]


def write_array(file: Path, array: Array) -> None:
    """One array as .npy, which `mapped` reads."""

    def write(temporary: Path) -> None:
        with temporary.open("wb") as opened:
            np.save(opened, array, allow_pickle=False)

    written(file, write)


def write_arrays(file: Path, **arrays: Any) -> None:
    """Several as .npz, which `read_arrays` reads; the same arrays give the same bytes."""

    def write(temporary: Path) -> None:
        with temporary.open("wb") as opened:
            np.savez(opened, **arrays)

    written(file, write)


def written(file: Path, write: Callable[[Path], None]) -> None:
    """Let `write` make a file, which gets its name when it is whole. Raises RunError where the disk refuses."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole(file) as temporary:
            write(temporary)
    except OSError as error:
        raise RunError(f"cannot write `{file}`: {reason(error)}") from None


def read_arrays(file: Path) -> dict[str, Array]:
    """What `write_arrays` wrote. Raises RunError where the file is damaged."""
    try:
        with open_plain(file) as opened, np.load(opened, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise damaged(file, error) from None


def mapped(file: Path) -> Array:
    """The array in an .npy file, memory-mapped; a file that was replaced is opened anew. Raises RunError where it is damaged."""
    return _mapped(file, state_of(file))


@lru_cache(maxsize=4096)
def _mapped(file: Path, state: str) -> Array:
    try:
        return open_memmap(file, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise damaged(file, error) from None


def damaged(file: Path, error: Exception) -> RunError:
    why = reason(error) if isinstance(error, OSError) else str(error)
    return RunError(f"`{file}` cannot be read ({why}): remove it, and give the same command again")
