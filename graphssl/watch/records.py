"""Lines of metrics as a page may have them: finite numbers by name, whatever the file holds."""

from __future__ import annotations

import json
from typing import Any

from graphssl.views.run import clean_nodes, is_number

NAMES, LENGTH = 200, 120
"""Values of a line, and characters of a name, that are passed on."""

TEXT = 2000
"""Characters of a sentence."""


def record(line: bytes) -> dict[str, Any] | None:
    """A line of metrics.jsonl, cleaned; nothing where it is no such line."""
    try:
        return cleaned(json.loads(line))
    except (ValueError, RecursionError):
        return None


def cleaned(found: Any) -> dict[str, Any] | None:
    """`step`, numbers, `nodes` and `diagnosis` of what a line held; nothing where it was no line of metrics.

    A value that is not finite stays, as None, so that a curve shows the gap.
    """
    if not isinstance(found, dict) or not _is_step(found.get("step")):
        return None
    numbers: dict[str, Any] = {
        name[:LENGTH]: value if is_number(value) else None
        for name, value in list(found.items())[:NAMES]
        if name != "nodes" and isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    nodes = {
        node[:LENGTH]: dict(list(values.items())[:NAMES])
        for node, values in list(clean_nodes(found.get("nodes")).items())[: 10 * NAMES]
    }
    told = _told(found.get("diagnosis"))
    return {**numbers, **({"nodes": nodes} if nodes else {}), **({"diagnosis": told} if told else {})}


def _told(value: Any) -> list[dict[str, str]]:
    """What a line tells that is wrong: texts by key."""
    found = [item for item in value[:NAMES] if isinstance(item, dict)] if isinstance(value, list) else []
    return [
        {key: str(item[key])[:TEXT] for key in ("code", "node", "message", "help") if isinstance(item.get(key), str)}
        for item in found
    ]


def _is_step(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
