"""A curation that was read: text -> tree -> spec -> graph of stages -> findings, by the language of methods. Never imports torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from graphssl.curate.checks import findings_of
from graphssl.curate.stages import stages
from graphssl.ir.graph import Graph
from graphssl.ir.lower import lower
from graphssl.language.diagnostics import Finding, GraphError, collecting, has_errors, in_reading_order
from graphssl.language.resolve import TOP_LEVEL, dump, require_kind, resolve
from graphssl.language.spec import parse
from graphssl.language.tree import Mapping as MapTree


@dataclass(frozen=True)
class Curation:
    """A curation with every finding so far."""

    reference: str
    tree: MapTree | None
    graph: Graph | None
    read_findings: tuple[Finding, ...]

    @property
    def title(self) -> str:
        return self.graph.title if self.graph else ""

    @cached_property
    def findings(self) -> list[Finding]:
        return in_reading_order([*self.read_findings, *(findings_of(self.graph) if self.graph else ())])

    @property
    def static(self) -> list[Finding]:
        """The same: checking a curation never needs torch."""
        return self.findings

    def checked_graph(self) -> Graph:
        """The graph of stages; raises GraphError with every finding when there are errors."""
        if self.graph is None or has_errors(self.findings):
            raise GraphError(self.findings)
        return self.graph

    def text(self) -> str:
        """The resolved file, self-contained."""
        if self.tree is None:
            raise GraphError(self.findings)
        return dump(self.tree)


def load(reference: str, overrides: Mapping[str, Any] | Sequence[str] = (), *, plugins: Sequence[str] = ()) -> Curation:
    """A curation by bundled name, path, or YAML text. Raises nothing: findings say what is wrong.

    overrides: like `--set`, a list of `PATH=VALUE` or a map from path to value.
    """
    found: list[Finding] = []
    report = collecting(found)
    try:
        tree = resolve(reference, overrides, report)
        require_kind(tree, "curation")
        tree = tree.without(*(tree.entries.keys() - TOP_LEVEL["curation"]))  # those were reported
        graph = lower(parse(tree, report), stages(tuple(plugins)), report)
    except GraphError as error:
        return Curation(reference, None, None, (*found, *error.findings))
    return Curation(reference, tree, graph, tuple(found))
