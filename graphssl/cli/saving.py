"""Files that commands write."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from graphssl.cli.failures import UsageError


@contextmanager
def saving(out: str) -> Iterator[None]:
    """Around what writes the file `out`: says that it was written; an OSError or ValueError is the mistake of who asked for it."""
    try:
        yield
    except ValueError as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        raise UsageError(f"cannot write `{out}`: {(error.strerror or str(error)).lower()}") from None
    print(f"wrote {out}", file=sys.stderr)
