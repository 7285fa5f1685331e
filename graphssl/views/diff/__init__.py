"""The exact difference of two methods: typed graphs → `Diff` → sentence, text, JSON or one drawing. Never imports torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphssl.views.diff.compare import ABSENT as ABSENT
from graphssl.views.diff.compare import Change as Change
from graphssl.views.diff.compare import Diff as Diff
from graphssl.views.diff.compare import NodeDiff as NodeDiff
from graphssl.views.diff.compare import compare as compare
from graphssl.views.diff.sentence import sentence as sentence
from graphssl.views.diff.text import text as text

if TYPE_CHECKING:
    from graphssl.pipeline import Method


def diff(a: Method | str, b: Method | str) -> Diff:
    """What turns method `a` into method `b`, each by name or loaded.

    Raises GraphError with the findings of one with errors, and for one of more than MAX_DRAWN nodes.
    """
    from graphssl.language.diagnostics import Finding, GraphError
    from graphssl.language.limits import MAX_DRAWN
    from graphssl.pipeline import load

    first, second = (load(each) if isinstance(each, str) else each for each in (a, b))
    graphs = first.checked_graph(), second.checked_graph()
    for graph in graphs:
        if len(graph.nodes) > MAX_DRAWN:
            message = f"`{graph.name}` has {len(graph.nodes):,} nodes, and methods of at most {MAX_DRAWN} are compared"
            raise GraphError(
                [Finding("too-large-to-draw", message, help="compare what `graphssl resolve` prints, as text")]
            )
    return compare(*graphs, labels(first, second))


def labels(a: Method, b: Method) -> tuple[str, str]:
    """What to call two methods: name and variants, or how they were asked for where that is the same."""
    names = _label(a), _label(b)
    if names[0] != names[1] or "\n" in a.reference + b.reference:
        return names
    return a.reference, b.reference


def _label(method: Method) -> str:
    name = method.spec.name if method.spec else method.reference
    _, at, variants = method.reference.partition("@") if "\n" not in method.reference else ("", "", "")
    return f"{name}{at}{variants}"
