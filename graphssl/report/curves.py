"""What runs logged, as charts: one for each curve, with every run in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from graphssl.ir.graph import Graph
from graphssl.language.schedule import Schedule
from graphssl.report.chart import Chart, Series, picture
from graphssl.report.run import Run, names_of
from graphssl.runtime.errors import RunError
from graphssl.views.measures import Measure
from graphssl.views.png import raster

SUFFIXES = (".svg", ".png")
POINTS = 200
"""Points of a schedule's curve."""

_TITLES = {"lr": "learning rate", "weight_decay": "weight decay", "knn": "kNN accuracy", "images_per_s": "images/s"}
SCHEDULED = ("lr", "weight_decay")
"""What is logged and known before, from the recipe."""


def curve_charts(runs: Sequence[Run], *, without: Sequence[str] = ()) -> list[Chart]:
    """Losses, monitors, kNN accuracy, learning rate, images/s and what else was logged, but those `without`."""
    names = names_of(runs)
    keys = dict.fromkeys(key for run in runs for key in run.curves if key not in without)
    return [
        Chart(
            _title(key, runs),
            tuple(Series(name, *run.curves[key], place=i) for i, (run, name) in enumerate(zip(runs, names, strict=True)) if key in run.curves),
            percent=key == "knn",
            smooth=key not in (*SCHEDULED, "knn"),
        )
        for key in keys
    ]  # fmt: skip


def _title(key: str, runs: Sequence[Run]) -> str:
    """`total loss` where a method has several terms, none of which is called `loss`."""
    if key != "loss":
        return _TITLES.get(key, key)
    losses = {node.name for run in runs for node in run.graph.losses()}
    return "loss" if "loss" in losses or len(losses) < 2 else "total loss"


def measure_charts(run: Run) -> list[Chart]:
    """What the run measured of its nodes: one chart a measure, one curve a node."""
    nodes = {name: i for i, name in enumerate(dict.fromkeys(n for m in run.measures.measures for n in m.values))}
    return [_measured(measure, run.measures.steps, nodes) for measure in run.measures.measures]


def _measured(measure: Measure, steps: Sequence[int], nodes: dict[str, int]) -> Chart:
    log = measure.scale == "log"
    of = f" of {next(iter(measure.values))}" if len(measure.values) == 1 else ""
    return Chart(
        f"{measure.title}{of}" + (f" ({measure.unit})" if measure.unit else ""),
        tuple(Series(name, steps, values, place=nodes[name]) for name, values in measure.values.items()),
        doc=measure.doc,
        log=log,
        low=None if log else measure.low,
        high=measure.high if measure.high == 1 else None,
    )


def schedule_charts(graph: Graph, steps: int, steps_per_epoch: int) -> list[Chart]:
    """Every schedule of the recipe and of nodes that moves, over a training of so many steps."""
    train = graph.train
    named = {"learning rate": train.lr, "weight decay": train.weight_decay} if train else {}
    for node in graph:
        named |= {f"{key} of {node.name}": value for key, value in node.attrs.items() if isinstance(value, Schedule)}
    at = sorted({round(i * (steps - 1) / (POINTS - 1)) for i in range(POINTS)}) if steps > 1 else [0]
    charts = []
    for title, schedule in named.items():
        curve = schedule.bind(steps, steps_per_epoch)
        values = [curve(step) for step in at]
        if len(set(values)) > 1:
            charts.append(Chart(title, (Series(title, at, values),), doc=str(schedule)))
    return charts


def save_curves(runs: Sequence[Run], path: str | Path) -> None:
    """Write the curves of runs over each other as FILE.svg or .png.

    Raises:
        RunError: another format, or nothing was logged.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise RunError(f"curves are written as {' or '.join(SUFFIXES)}, not as `{path.name}`")
    charts = curve_charts(runs)
    if not charts:
        raise RunError(f"nothing was logged in `{runs[0].path}` yet")
    drawn = picture(", ".join(names_of(runs)), charts)
    path.write_bytes(raster(drawn) if path.suffix.lower() == ".png" else drawn.encode())
