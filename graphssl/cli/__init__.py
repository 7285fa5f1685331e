"""The command line: words and help here, what they do in the sibling files, which are imported when needed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from graphssl import __version__
from graphssl.cli.parsers import (
    adder,
    curating,
    embedding,
    evaluating,
    exporting,
    inspecting,
    picturing,
    running,
    sharding,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    arguments = _parser().parse_args(argv)
    if not hasattr(arguments, "run"):
        _parser().print_help()
        return 2
    from graphssl.cli.failures import guarded

    return guarded(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="graphssl",
        description="Self-supervised learning methods as YAML graphs: checked, compiled, trained, drawn.",
        epilog="Start with: graphssl train simclr@quick --data shapes --out runs/first",
    )
    parser.add_argument("--version", action="version", version=f"graphssl {__version__}")
    commands = adder(parser.add_subparsers(title="commands", metavar="COMMAND"))
    for commands_of in (inspecting, running, evaluating, embedding, sharding, curating, picturing, exporting):
        commands_of(commands)
    return parser


def entry() -> None:
    """The console script."""
    sys.exit(main())
