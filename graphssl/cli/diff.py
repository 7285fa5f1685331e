"""`diff`: what turns one method into another, on the terminal, as JSON, or as a drawing."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console
from rich.text import Text

from graphssl.cli.saving import saving
from graphssl.language.diagnostics import GraphError, has_errors, in_reading_order
from graphssl.pipeline import load
from graphssl.views.diff import Diff
from graphssl.views.diff import diff as compared

_STYLES = {"+": "green", "−": "red", "~": "yellow"}


def diff(arguments: argparse.Namespace) -> int:
    """Print the diff, or draw it to a file; 1 when the two differ and that was asked for."""
    methods = [load(name, plugins=arguments.plugin) for name in (arguments.a, arguments.b)]
    if any(has_errors(method.static) for method in methods):
        raise GraphError(in_reading_order(finding for method in methods for finding in method.static))
    found = compared(*methods)
    if not found:
        print(f"{arguments.a} and {arguments.b}: no differences", file=sys.stderr)
    if arguments.out:
        with saving(arguments.out):
            found.save(arguments.out)
    elif arguments.format == "json":
        print(found.to_json(), end="")
    else:
        _print(found)
    return int(bool(found) and arguments.exit_code)


def _print(found: Diff) -> None:
    """Lines with coloured signs on a terminal, plain and unbroken elsewhere."""
    console = Console(highlight=False)
    for line in str(found).splitlines():
        sign = line.lstrip()[:1] if line.startswith("  ") else ""
        console.print(Text(line, style=_STYLES.get(sign, "")), soft_wrap=not console.is_terminal)
