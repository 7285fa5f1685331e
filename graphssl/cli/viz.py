"""`viz`: draw a method, as it is written or in the colours of what a run of it measured."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from graphssl.cli.failures import UsageError
from graphssl.cli.saving import saving
from graphssl.curate.curation import load as load_curation
from graphssl.curate.drawing import draw as draw_curation
from graphssl.language.diagnostics import GraphError, render_text
from graphssl.language.resolve import kind_named
from graphssl.pipeline import Method, load
from graphssl.views import Drawing, draw
from graphssl.views.measures import Measures
from graphssl.views.run import measures_of


def viz(arguments: argparse.Namespace) -> int:
    """Draw to a file."""
    if arguments.method and kind_named(arguments.method) == "curation":
        return _curation(arguments)
    method = _method(arguments)
    if arguments.with_errors:
        print(render_text(method.static), file=sys.stderr)
    else:
        method.checked_graph()
    with saving(arguments.out):
        _drawing(method, arguments).save(arguments.out)
    return 0


def _curation(arguments: argparse.Namespace) -> int:
    curation = load_curation(arguments.method, arguments.set, plugins=arguments.plugin)
    curation.checked_graph()
    with saving(arguments.out):
        draw_curation(curation).save(arguments.out)
    return 0


def _drawing(method: Method, arguments: argparse.Namespace) -> Drawing:
    collapse = None if arguments.collapse == [] else arguments.collapse or ()
    measures = _measures(arguments) if arguments.run_folder else None
    if measures is None and (arguments.measure or arguments.step is not None):
        raise UsageError("--measure and --step choose from what a run measured: give its folder with --run RUN")
    return draw(
        method,
        collapse,
        with_errors=arguments.with_errors,
        sizes=arguments.sizes,
        measures=measures,
        measure=arguments.measure or "std",
        step=arguments.step,
    )


def _method(arguments: argparse.Namespace) -> Method:
    """The method to draw, that of the run when none is named; one that is not the run's is refused."""
    if not arguments.run_folder:
        if arguments.method is None:
            raise UsageError("name a METHOD to draw, or a run of one with --run RUN")
        return load(arguments.method, arguments.set, plugins=arguments.plugin)
    file = Path(arguments.run_folder) / "method.yaml"
    if not file.is_file():
        raise UsageError(f"`{arguments.run_folder}` is no run folder (it has no method.yaml)")
    own = load(str(file), [] if arguments.method else arguments.set, plugins=arguments.plugin)
    if arguments.method is None:
        return own
    method = load(arguments.method, arguments.set, plugins=arguments.plugin)
    if method.graph is None:
        raise GraphError(method.static)
    mine, theirs = set(method.graph.nodes), set(own.checked_graph().nodes)
    if mine != theirs:
        here, there = sorted(mine - theirs), sorted(theirs - mine)
        words = [f"`{here[0]}` is only in {arguments.method}"] if here else []
        words += [f"`{there[0]}` only in the run" if here else f"`{there[0]}` is only in the run"] if there else []
        raise UsageError(
            f"`{arguments.run_folder}` is a run of another graph: {' and '.join(words)}; leave METHOD out to draw the run's own"
        )
    return method


def _measures(arguments: argparse.Namespace) -> Measures:
    """What the run measured; a step or measure that it has not is refused."""
    file = Path(arguments.run_folder) / "metrics.jsonl"
    try:
        found = measures_of(file)
    except OSError as error:
        raise UsageError(f"cannot read `{file}`: {(error.strerror or str(error)).lower()}") from None
    if not found.steps:
        raise UsageError(f"`{file}` has no measurements of nodes: train with --measure-every above 0")
    if arguments.step is not None and arguments.step < found.steps[0]:
        raise UsageError(
            f"nothing was measured up to step {arguments.step}: the first measured step is {found.steps[0]}"
        )
    if arguments.measure and found.get(arguments.measure) is None:
        names = ", ".join(measure.name for measure in found.measures)
        raise UsageError(f"the run has no measure `{arguments.measure}`; it has {names}")
    return found
