"""A run folder, read to be told about. Believes nothing of what is in it: files may be cut, huge or hostile."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from graphssl.ir.graph import Graph
from graphssl.pipeline import Method, load
from graphssl.runtime.errors import RunError
from graphssl.runtime.folder import RunFolder
from graphssl.views.measures import Measures
from graphssl.views.run import gathered, is_number, measured, read_lines
from graphssl.watch.records import cleaned

NOT_CURVES = ("step", "epoch", "nodes", "diagnosis")


@dataclass(frozen=True)
class Run:
    """A run. records: its lines of metrics, finite numbers by name; summary: empty while it goes on."""

    name: str
    path: Path
    method: Method
    records: Sequence[Mapping[str, Any]]
    summary: Mapping[str, Any]

    @property
    def graph(self) -> Graph:
        return self.method.checked_graph()

    @cached_property
    def curves(self) -> dict[str, tuple[list[int], list[float]]]:
        """Steps and values of everything that is logged, by name: losses, monitors, kNN accuracy, learning rate, images/s."""
        graph = self.graph
        losses = ["loss", *(node.name for node in graph.losses())]
        order = [*losses, *(name for name, _ in graph.monitors), "knn", "lr", "images_per_s"]
        found: dict[str, tuple[list[int], list[float]]] = {}
        for record in self.records:
            for name, value in record.items():
                if name not in NOT_CURVES and is_number(value):
                    steps, values = found.setdefault(name, ([], []))
                    steps.append(record["step"])
                    values.append(value)
        return {name: found[name] for name in dict.fromkeys([*order, *found]) if name in found}

    @cached_property
    def measures(self) -> Measures:
        return gathered(measured(self.records))

    @property
    def last_step(self) -> int:
        return max((record["step"] for record in self.records), default=0)

    @property
    def finished(self) -> bool:
        return self.summary.get("steps") == self.last_step > 0

    @property
    def total_steps(self) -> int:
        """Steps of the whole training: those it has, or will have as its last checkpoint tells."""
        latest = RunFolder(self.path).latest_checkpoint()
        planned = _object(latest / "state.json").get("total_steps") if latest and not self.finished else None
        return planned if isinstance(planned, int) else self.last_step

    @property
    def steps_per_epoch(self) -> int:
        """From the last line that tells an epoch; 1 where none does."""
        told = [(r["step"], r["epoch"]) for r in self.records if is_number(r.get("epoch")) and r["epoch"] > 0]
        return max(1, round(told[-1][0] / told[-1][1])) if told else 1

    @property
    def diagnosis(self) -> list[dict[str, Any]]:
        """What the run was told is wrong with it, each with its step."""
        return [{"step": record["step"], **found} for record in self.records for found in record.get("diagnosis", ())]

    @property
    def evaluations(self) -> dict[str, dict[str, Any]]:
        """Results of `graphssl eval` by protocol."""
        found = self.summary.get("evaluations")
        return {str(k): v for k, v in found.items() if isinstance(v, dict)} if isinstance(found, dict) else {}

    def last(self, name: str) -> float | None:
        """The last value of a curve."""
        return self.curves[name][1][-1] if name in self.curves else None

    def told(self, key: str) -> str:
        """A text or number of summary.json; nothing where it has none."""
        value = self.summary.get(key)
        return str(value) if isinstance(value, (str, int, float)) else ""


def read_run(path: str | Path, plugins: Sequence[str] = ()) -> Run:
    """The run in a folder; GraphError where its method has errors.

    Raises:
        RunError: it is no run folder.
    """
    folder = RunFolder(path)
    folder.require()
    method = load(str(folder.method_file), plugins=plugins)
    method.checked_graph()
    records = []
    if folder.metrics_file.is_file():
        with folder.metrics_file.open("rb") as file:
            records = [found for line in read_lines(file) if (found := cleaned(line))]
    return Run(folder.path.resolve().name, folder.path, method, records, _object(folder.summary_file))


def names_of(runs: Sequence[Run]) -> list[str]:
    """What to call runs beside each other: the names of their folders, or whole paths where two have the same."""
    names = [run.name for run in runs]
    return names if len(set(names)) == len(names) else [str(run.path) for run in runs]


def _object(file: Path) -> dict[str, Any]:
    """What a file of JSON holds; nothing where there is none."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        raise RunError(f"`{file}` cannot be read: it is damaged") from None
    return found if isinstance(found, dict) else {}
