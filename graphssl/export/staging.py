"""Files that get their names when they are whole and have been checked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graphssl.runtime.errors import RunError, reason
from graphssl.wholefile import sync, unfinished


@contextmanager
def staged(out: Path, *, force: bool) -> Iterator[Path]:
    """A folder to write `out.name` into, and what belongs beside it; everything is moved to where `out` is at the end.

    `force`: files of the same names are written over, others in a folder stay. Nothing is left when it fails.
    RunError where something of a name is there and not `force`, or the disk refuses.
    """
    if out.name in ("", ".."):
        raise RunError(f"`{out}` names no file: write -o PATH")
    if out.exists():
        _require_free(out, force)
    folder = unfinished(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        yield folder
        made = sorted(folder.iterdir())
        for path in made:
            _require_free(out.with_name(path.name), force, folder=path.is_dir())
        for path in made:
            _move(path, out.with_name(path.name))
        sync(out.parent)
    except OSError as error:
        raise RunError(f"cannot write `{out}`: {reason(error)}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _move(path: Path, target: Path) -> None:
    """A file to its place, or the files of a folder into one that is there."""
    if target.is_dir():
        for each in sorted(path.iterdir()):
            each.replace(target / each.name)
    else:
        path.replace(target)


def _require_free(path: Path, force: bool, *, folder: bool | None = None) -> None:
    if path.exists() and not force:
        raise RunError(f"`{path}` exists: choose another -o, or write over it with --force")
    if path.exists() and folder is not None and path.is_dir() is not folder:
        raise RunError(f"`{path}` is a {'file' if folder else 'folder'}: choose another -o")
