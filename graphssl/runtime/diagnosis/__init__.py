"""What is wrong with a run, in words, from the numbers it logs: one symptom per file, in the order of this table.

A symptom is a docstring, an `EXPLAIN` for `graphssl explain`, and `look(graph, history)`, which yields findings at the newest
line of the history. All of it is a function of the graph and the lines of metrics.jsonl, so that a resumed run knows what it was
told, and a recorded history can be looked at again. Never imports torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.language.explanation import Explanation
from graphssl.runtime.diagnosis import (
    collapsed,
    dead_head,
    dimensional_collapse,
    exploding,
    lr_too_high,
    temperature_too_low,
    uniform_logits,
)
from graphssl.runtime.diagnosis.history import History, Record


class Symptom(Protocol):
    """What the file of a symptom holds."""

    EXPLAIN: Explanation

    def look(self, graph: Graph, history: History, /) -> Iterator[Finding]: ...


SYMPTOMS: tuple[Symptom, ...] = (
    # settings that cause the rest
    exploding,
    lr_too_high,
    temperature_too_low,
    # what representations become
    collapsed,
    dimensional_collapse,
    dead_head,
    # what losses say
    uniform_logits,
)


class Diagnosis:
    """Listens to the lines of one run. records: those of a run that goes on; what they told is in them."""

    def __init__(self, graph: Graph, records: Iterable[Record] = ()):
        self.graph, self.history = graph, History()
        self.told: dict[str, set[str | None]] = {}
        for record in records:
            self.history.add(record)
            for finding in record.get("diagnosis", ()):
                self._remember(finding["code"], finding["node"])

    def hear(self, record: Record) -> list[Finding]:
        """What the newest line shows for the first time: once per symptom, for a node and what it is connected with."""
        self.history.add(record)
        if not record.get("nodes") and math.isfinite(record.get("loss", 0)):
            return []
        found = []
        for symptom in SYMPTOMS:
            for finding in symptom.look(self.graph, self.history):
                if self._is_new(finding):
                    self._remember(finding.code, finding.node)
                    found.append(finding)
        return found

    def _remember(self, code: str, node: str | None) -> None:
        self.told.setdefault(code, set()).add(node)

    def _is_new(self, finding: Finding) -> bool:
        names = [finding.node] if finding.node else []
        near = {finding.node, *self.graph.ancestors(names), *self.graph.descendants(names)}
        return not self.told.get(finding.code, set()) & near


def noted(finding: Finding) -> dict[str, Any]:
    """A finding as part of a line of metrics."""
    return {key: getattr(finding, key) for key in ("code", "node", "message", "help")}


def explanations() -> dict[str, Explanation]:
    """Every symptom's code, explained."""
    return {symptom.EXPLAIN.code: symptom.EXPLAIN for symptom in SYMPTOMS}
