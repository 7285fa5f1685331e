"""Which elements of two lists of views a loss compares: `pairs: cross | same | all | other_view | [[i, j], …]`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphssl.ir.signature import Loss
from graphssl.ir.types import UNKNOWN, Edge
from graphssl.language.diagnostics import Finding, Span
from graphssl.language.fields import Leaf, Report
from graphssl.language.spec import Ref

_EXPLICIT = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "integer", "minimum": 0}},
}
PAIRS = Leaf(
    doc="Pairs of views to compare: i ≠ j, i = j, all, all but the same view, or a list of [i, j].",
    default="cross",
    role="wiring",
    json={"anyOf": [{"enum": ["cross", "same", "all", "other_view"]}, _EXPLICIT]},
    expected="`cross`, `same`, `all`, `other_view` or a list of pairs such as `[[0, 1], [1, 0]]`",
)


def pairs_of(
    op: type[Loss],
    attrs: Mapping[str, Any],
    inputs: Mapping[str, tuple[Ref, ...]],
    given: Mapping[str, Edge],
    name: str,
    span: Span,
    report: Report,
) -> tuple[tuple[int, int], ...] | None:
    """Index pairs into the two paired inputs; None when neither is a list (they are simply compared)."""
    left, right = op.paired
    a, b = given[left], given[right]
    if UNKNOWN in (*a.values, *b.values) or not (a.listed or b.listed):
        return None
    every = [(i, j) for i in range(len(a.values)) for j in range(len(b.values))]
    how = attrs["pairs"]
    if isinstance(how, list):
        chosen = [(i, j) for i, j in how]
        wrong = {(i, j) for i, j in chosen if i >= len(a.values) or j >= len(b.values)}
        if wrong:
            message = f"pair {list(min(wrong))} is out of range: `{left}` has {len(a.values)} views, `{right}` {len(b.values)}"
            report(Finding("bad-pairs", message, span, node=name, help="views are counted from 0"))
        return tuple(pair for pair in chosen if pair not in wrong)
    if not (a.listed and b.listed):
        chosen = every
    elif how == "other_view":
        chosen = [(i, j) for i, j in every if a.values[i].view != b.values[j].view]
    else:
        if how in ("cross", "same") and len(a.values) != len(b.values):
            message = f"`pairs: {how}` needs lists of one length, got {len(a.values)} and {len(b.values)}"
            report(Finding("list-lengths", message, inputs[right][0].span, node=name, help="use `pairs: other_view`"))
            return ()
        keep = {"cross": lambda i, j: i != j, "same": lambda i, j: i == j, "all": lambda i, j: True}[how]
        chosen = [(i, j) for i, j in every if keep(i, j)]
    if not chosen:
        message = f"`pairs: {how}` leaves nothing to compare in `{name}`"
        report(Finding("bad-pairs", message, inputs[left][0].span, node=name, help="give it two views or more"))
    for port, edge in given.items():  # another list has an element per view of the left one, or per view that is used
        used = max((i for i, _ in chosen), default=0) + 1
        if port not in op.paired and edge.listed and len(edge.values) not in (len(a.values), used):
            message = f"`{port}` needs one value per view of `{left}`, {len(a.values)}, got {len(edge.values)}"
            report(Finding("list-lengths", message, inputs[port][0].span, node=name))
            return ()
    return tuple(chosen)
