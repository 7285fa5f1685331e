"""A run folder as a stream of events: its lines of metrics, and how the run stands."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from graphssl.watch.folder import Refused, RunFiles
from graphssl.watch.tail import Tail

Event = tuple[str, Any]
"""A name and its data: `reset` (forget all lines), `lines`, `status`; or the name "" to keep the connection alive."""


@dataclass(frozen=True)
class Pace:
    """Seconds: between two looks, of silence until a run counts as stalled, between two signs of life."""

    look_s: float = 0.5
    stalled_s: float = 60.0
    alive_s: float = 15.0


def events(files: RunFiles, wait: Callable[[float], bool], pace: Pace = Pace()) -> Iterator[Event]:
    """What happens in a run folder, from its first line on, until `wait(seconds)` says that nobody listens."""
    tail, told, last, spoken = Tail(files, "metrics.jsonl"), None, None, time.monotonic()
    yield "reset", {}
    while True:
        more, problem = False, ""
        try:
            look = tail.look()
            more = look.more
            if look.fresh and last is not None:
                last = None
                yield "reset", {}
            if look.records:
                last, spoken = look.records[-1]["step"], time.monotonic()
                yield "lines", look.records
        except FileNotFoundError:
            pass
        except (OSError, Refused) as error:
            problem = str(error)
        refused = problem and files.exists
        status = {"state": "refused", "why": problem} if refused else standing(files, tail, last, pace)
        if status != told and not more:
            told, spoken = status, time.monotonic()
            yield "status", status
        if time.monotonic() - spoken >= pace.alive_s:
            spoken = time.monotonic()
            yield "", None
        if wait(0 if more else pace.look_s):
            return


def standing(files: RunFiles, tail: Tail, last: int | None, pace: Pace) -> dict[str, Any]:
    """How a run stands: `gone`, `begun` (no line yet), `finished`, `stalled` or `running`.

    It is finished when summary.json was written for the last step that was logged: a run that goes on later is no longer.
    """
    if not files.exists:
        return {"state": "gone"}
    if last is None:
        return {"state": "begun"}
    if summary_steps(files) == last:
        return {"state": "finished"}
    if time.time() - tail.changed_at > pace.stalled_s:
        return {"state": "stalled", "since": round(tail.changed_at)}
    return {"state": "running"}


def summary_steps(files: RunFiles) -> int | None:
    """The steps of a finished run."""
    try:
        found = json.loads(files.text("summary.json"))
    except (ValueError, RecursionError):
        return None
    steps = found.get("steps") if isinstance(found, dict) else None
    return steps if isinstance(steps, int) else None
