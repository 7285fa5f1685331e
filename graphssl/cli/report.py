"""`report`, `compare` and `curves`: what runs were."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from graphssl.cli.failures import UsageError
from graphssl.cli.saving import saving
from graphssl.report.compare import Comparison, diff_words
from graphssl.report.curves import save_curves
from graphssl.report.page import report as page_of
from graphssl.report.run import read_run


def report(arguments: argparse.Namespace) -> int:
    """Write the page of a run; with images, also what the network sees of them (which needs torch)."""
    run = read_run(arguments.run_folder, arguments.plugin)
    pictures: Sequence[str] = ()
    note = script = ""
    if arguments.data or arguments.images:
        from graphssl.pictures.gallery import gallery

        pictures, note, script = gallery(
            arguments.run_folder,
            arguments.images,
            arguments.data,
            device=arguments.device,
            plugins=arguments.plugin,
        )
    out = Path(arguments.out)
    if out.suffix.lower() != ".html":
        raise UsageError(f"a report is written as .html, not as `{out.name}`")
    with saving(arguments.out):
        out.write_text(page_of(run, pictures, note, script), encoding="utf-8")
    return 0


def compare(arguments: argparse.Namespace) -> int:
    """Print a table, curves and diffs, or write them as a page."""
    found = Comparison([read_run(path, arguments.plugin) for path in arguments.runs])
    if arguments.out:
        out = Path(arguments.out)
        if out.suffix.lower() != ".html":
            raise UsageError(
                f"a comparison is written as .html, not as `{out.name}`; `graphssl curves` draws .svg and .png"
            )
        with saving(arguments.out):
            out.write_text(found.page(), encoding="utf-8")
    elif arguments.format == "json":
        print(json.dumps(found.to_json(), indent=2))
    else:
        _print(found)
    return 0


def _print(found: Comparison) -> None:
    from graphssl.cli.table import table  # which imports torch, for its other tables

    console = Console(highlight=False)
    console.print(table("", ("", *found.names), [(name, *values) for name, values in found.rows]))
    for key, sparks in found.sparks():
        width = max(map(len, found.names))
        print(f"\n{key}")
        for name, spark in zip(found.names, sparks, strict=True):
            print(f"  {name:<{width}}  {spark}")
    for diff in found.diffs:
        print(f"\n{diff_words(diff)}", end="")


def curves(arguments: argparse.Namespace) -> int:
    runs = [read_run(path, arguments.plugin) for path in arguments.runs]
    with saving(arguments.out):
        save_curves(runs, arguments.out)
    return 0
