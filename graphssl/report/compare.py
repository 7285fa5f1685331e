"""Runs beside each other: a table, what differs in their methods, their curves over each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from graphssl.report.chart import short
from graphssl.report.curves import curve_charts
from graphssl.report.page import document, panels, score_words, table, typical
from graphssl.report.run import Run, names_of
from graphssl.runtime.errors import RunError
from graphssl.views.diff import Diff
from graphssl.views.diff.compare import compare as compared
from graphssl.views.diff.text import text as diff_text
from graphssl.views.escape import xml

_BARS = "▁▂▃▄▅▆▇█"
SPARK = 40
"""Signs of a curve on the terminal."""


@dataclass(frozen=True)
class Comparison:
    """Two or more runs, compared with the first.

    Raises:
        RunError: fewer than two.
    """

    runs: Sequence[Run]

    def __post_init__(self) -> None:
        if len(self.runs) < 2:
            raise RunError("one run is compared with nothing: name at least two")

    @cached_property
    def names(self) -> list[str]:
        return names_of(self.runs)

    @cached_property
    def rows(self) -> list[tuple[str, list[str]]]:
        """What is told of each run, in words: a name, and a value a run; rows without any value are left out."""
        losses = dict.fromkeys(name for run in self.runs for name in loss_names(run))
        protocols = dict.fromkeys(name for run in self.runs for name in run.evaluations)
        told: dict[str, Callable[[Run], str]] = {
            "method": lambda run: run.graph.name,
            "state": lambda run: "finished" if run.finished else "not finished",
            "data": lambda run: run.told("data"),
            "steps": lambda run: str(run.last_step),
            "batch": lambda run: str(run.graph.train.batch_size) if run.graph.train else "",
            **{f"last {name}": lambda run, name=name: _short(run.last(name)) for name in losses},  # type: ignore[misc]
            "last kNN": lambda run: "" if (last := run.last("knn")) is None else f"{last:.1%}",
            **{name: lambda run, name=name: score_words(run.evaluations.get(name, {})) for name in protocols},  # type: ignore[misc]
            "images/s": lambda run: typical(run.curves.get("images_per_s", ([], []))[1]),
            "told": lambda run: ", ".join(dict.fromkeys(str(found.get("code", "")) for found in run.diagnosis)),
        }
        found = [(name, [tell(run) for run in self.runs]) for name, tell in told.items()]
        return [(name, values) for name, values in found if any(values)]

    @cached_property
    def diffs(self) -> list[Diff]:
        """What makes each other run's method out of the first's."""
        first, *others = self.runs
        return [
            compared(first.graph, other.graph, (self.names[0], name))
            for other, name in zip(others, self.names[1:], strict=True)
        ]

    def sparks(self) -> list[tuple[str, list[str]]]:
        """Losses and kNN accuracy as signs, each curve over the steps of all, with the same scale for every run."""
        keys = [*dict.fromkeys(name for run in self.runs for name in loss_names(run)), "knn"]
        return [(key, _sparks([run.curves.get(key, ([], [])) for run in self.runs])) for key in keys if self._has(key)]

    def _has(self, key: str) -> bool:
        return any(key in run.curves for run in self.runs)

    def to_json(self) -> dict[str, Any]:
        """Numbers as they are, and the diffs."""
        import json

        runs = [
            {
                "run": str(run.path),
                "name": name,
                "method": run.graph.name,
                "fingerprint": run.method.fingerprint,
                "data": run.summary.get("data"),
                "finished": run.finished,
                "steps": run.last_step,
                "last": {key: run.last(key) for key in run.curves},
                "images_per_s": float(median)
                if (median := typical(run.curves.get("images_per_s", ([], []))[1]))
                else None,
                "evaluations": run.evaluations,
                "diagnosis": run.diagnosis,
            }
            for run, name in zip(self.runs, self.names, strict=True)
        ]
        return {"runs": runs, "diffs": [json.loads(diff.to_json()) for diff in self.diffs]}

    def page(self) -> str:
        """The comparison as one HTML file that needs nothing else and runs no script."""
        rows = [(xml(name), *map(xml, values)) for name, values in self.rows]
        diffs = "".join(f"<pre>{xml(diff_words(diff))}</pre>" for diff in self.diffs)
        title = ", ".join(self.names)
        sections = (
            ("Runs", table(("", *self.names), rows)),
            ("Curves", panels(curve_charts(self.runs))),
            ("Methods", diffs),
        )
        cards = "".join(f'<section class="card"><h2>{name}</h2>{body}</section>' for name, body in sections if body)
        head = f'<header><div class="names"><h1>{xml(title)}</h1><p class="soft">graphssl compare</p></div></header>'
        return document(title, f"{head}<main>{cards}</main>")


def loss_names(run: Run) -> list[str]:
    """The total and its terms, as far as they were logged."""
    names = ["loss", *(node.name for node in run.graph.losses())]
    return [name for name in dict.fromkeys(names) if name in run.curves]


def diff_words(diff: Diff) -> str:
    """The whole diff, or that there is none."""
    return diff_text(diff) or f"{' → '.join(diff.labels)}\n\nthe same method\n"


def _short(value: float | None) -> str:
    return "" if value is None else short(value)


def _sparks(curves: Sequence[tuple[Sequence[int], Sequence[float]]]) -> list[str]:
    """One line a curve: what it was last at each of SPARK places between the first and the last step of all."""
    every = [value for _, values in curves for value in values]
    low, high = min(every), max(every)
    end = max(steps[-1] for steps, _ in curves if steps)
    return [_spark(steps, values, low, high, end) for steps, values in curves]


def _spark(steps: Sequence[int], values: Sequence[float], low: float, high: float, end: int) -> str:
    signs = []
    for i in range(SPARK):
        until = end * (i + 1) / SPARK
        past = [value for step, value in zip(steps, values, strict=True) if step <= until]
        ended = not past or steps[-1] < end * i / SPARK
        place = (past[-1] - low) / (high - low) if past and high > low else 0.5
        signs.append(" " if ended else _BARS[min(int(place * len(_BARS)), len(_BARS) - 1)])
    return "".join(signs).rstrip()
