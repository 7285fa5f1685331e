"""Writing Python: literals, keyword arguments and schedules as source."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from graphssl.language.schedule import Duration, Schedule


def literal(value: Any) -> str:
    """A value as Python source, texts in double quotes."""
    if isinstance(value, str):
        quoted = repr(value)
        return f'"{quoted[1:-1]}"' if quoted[0] == "'" and '"' not in quoted else quoted
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    return repr(value)


def arguments(function: Callable[..., Any], keywords: Mapping[str, Any]) -> list[str]:
    """`name=value` words for a call, without those that are the function's own defaults."""
    parameters = inspect.signature(function).parameters
    words = []
    for name, value in keywords.items():
        default = parameters[name].default if name in parameters else inspect.Parameter.empty
        default = list(default) if isinstance(default, tuple) else default
        if default is inspect.Parameter.empty or default != value or type(default) is not type(value):
            words.append(f"{name}={literal(value)}")
    return words


def curve_source(schedule: Schedule) -> str:
    """`Curve(("cosine", 0.996, 1.0, steps))`: the schedule bound to the constructor's `steps`."""
    pieces, value, until = [], 0.0, ""
    for piece in schedule.pieces:
        if piece.over:
            until = f"{until} + {_length(piece.over)}" if until else _length(piece.over)
        else:
            until = _length(piece.until) if piece.until else "steps"
        start = value if piece.start is None else piece.start
        pieces.append(f'("{piece.shape}", {start!r}, {piece.end!r}, {until})')
        value = piece.end
    every = ", every=steps_per_epoch" if schedule.every_epoch else ""
    return f"Curve({', '.join(pieces)}{every})"


def _length(duration: Duration) -> str:
    number = int(duration.value) if duration.value == int(duration.value) else duration.value
    if duration.unit == "steps":
        return str(round(duration.value))
    if duration.unit == "%":
        return f"round(steps * {duration.value!r} / 100)"
    return f"{number} * steps_per_epoch" if isinstance(number, int) else f"round({number!r} * steps_per_epoch)"
