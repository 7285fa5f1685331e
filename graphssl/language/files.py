"""Reading graph and recipe files, with an error that a person can act on."""

from __future__ import annotations

from pathlib import Path

from graphssl.language.diagnostics import Finding, GraphError, Source, Span
from graphssl.language.reader import MAX_BYTES


def read_file(path: Path, span: Span | None = None) -> Source:
    """A file as a source, named by its path from here; `span` is where it was asked for."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        return Source(_short(path), data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise GraphError([Finding("not-text", f"`{path}` is not UTF-8 text", span)]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise GraphError([Finding("cannot-read", f"cannot read `{path}`: {reason.lower()}", span)]) from None


def _short(path: Path) -> str:
    """The path relative to here when it lies below, as written otherwise."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except (ValueError, OSError):
        return path.as_posix()
