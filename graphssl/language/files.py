"""Reading graph and recipe files, with an error that a person can act on."""

from __future__ import annotations

import errno
from pathlib import Path

from graphssl.language.diagnostics import Finding, GraphError, Source, Span
from graphssl.language.limits import MAX_BYTES, MAX_WORD
from graphssl.plainfile import open_plain


def read_file(path: Path, span: Span | None = None) -> Source:
    """A plain file as a source, named by its path from here; `span` is where it was asked for.

    A path with signs that cannot be shown, a line break for example, is refused: it stands in comments and messages.
    """
    try:
        if not str(path).isprintable():
            raise OSError(errno.EINVAL, "its name holds signs that cannot be shown")
        with open_plain(path) as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            message = f"`{_short(path)}` is longer than {MAX_BYTES:,} bytes"
            raise GraphError([Finding("file-too-large", message, span)])
        return Source(_short(path), data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise GraphError([Finding("not-text", f"`{path}` is not UTF-8 text", span)]) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise GraphError([Finding("cannot-read", f"cannot read `{str(path)[:MAX_WORD]}`: {reason}", span)]) from None


def _short(path: Path) -> str:
    """The path relative to here when it lies below, as written otherwise."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except (ValueError, OSError):
        return path.as_posix()
