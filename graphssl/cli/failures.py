"""A user's mistake ends in one clear message and an exit code, never in a traceback."""

from __future__ import annotations

import argparse
import os
import sys

from graphssl.language.diagnostics import GraphError, on_one_line, summary

USAGE = 2


def guarded(arguments: argparse.Namespace) -> int:
    """Run the command; findings and mistakes go to standard error."""
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except GraphError as error:
        print(f"{error}\n\n{summary(error.findings)}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our output went away, for example `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if not _is_users(error):
            raise
        lines = "\n".join(map(on_one_line, str(error).split("\n")))
        print(f"graphssl: error: {lines}", file=sys.stderr)
        return getattr(error, "code", USAGE)


def _is_users(error: Exception) -> bool:
    """Whether the exception tells a person's mistake (RunError, DataError and the like say so)."""
    return any(kind.__name__ in ("RunError", "DataError", "UsageError") for kind in type(error).__mro__)


class UsageError(Exception):
    """A command used wrongly."""
