"""Files that get their names when they are whole and have been checked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graphssl.runtime.errors import RunError, reason
from graphssl.runtime.folder import sync, unfinished


@contextmanager
def staged(out: Path, *, force: bool) -> Iterator[Path]:
    """A folder to write `out.name` into, and what belongs beside it; everything is moved to where `out` is at the end.

    Nothing is left when it fails. RunError where something of a name is there and not `force`, or the disk refuses.
    """
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
            _require_free(out.with_name(path.name), force)
        for path in made:
            target = out.with_name(path.name)
            if target.is_dir():
                shutil.rmtree(target)
            path.replace(target)
        sync(out.parent)
    except OSError as error:
        raise RunError(f"cannot write `{out}`: {reason(error)}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _require_free(path: Path, force: bool) -> None:
    if path.exists() and not force:
        raise RunError(f"`{path}` exists: choose another -o, or write over it with --force")
