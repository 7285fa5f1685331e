"""A diff as JSON, for tools."""

from __future__ import annotations

import json as standard
from typing import Any

from graphssl.ir.dump import shown
from graphssl.language.schedule import Duration, Schedule
from graphssl.views.diff.compare import ABSENT, Change, Diff, NodeDiff
from graphssl.views.diff.sentence import sentence

VERSION = 1


def json(diff: Diff) -> str:
    """The whole diff as one document; a value that is not there has no key."""
    found = {
        "diff": VERSION,
        "a": diff.labels[0],
        "b": diff.labels[1],
        "same": not diff,
        "sentence": sentence(diff),
        "nodes": [_node(node) for node in diff.nodes],
        "method": [_change(change) for change in diff.method],
    }
    return standard.dumps(found, indent=2, ensure_ascii=True) + "\n"


def _node(node: NodeDiff) -> dict[str, Any]:
    found = {"mark": node.mark or "unchanged", "old": node.old, "new": node.new}
    return {**found, "changes": [_change(change) for change in node.changes]}


def _change(change: Change) -> dict[str, Any]:
    found: dict[str, Any] = {"part": change.part, "key": change.key}
    values = {"old": change.old, "new": change.new}
    return found | {key: _value(value) for key, value in values.items() if value is not ABSENT}


def _value(value: Any) -> Any:
    """The value as JSON; schedules and lengths as they are written."""
    return standard.loads(
        standard.dumps(value, default=lambda v: str(v) if isinstance(v, (Schedule, Duration)) else shown(v))
    )
