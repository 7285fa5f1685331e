"""Values of a diff in words: old → new."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from graphssl.ir.dump import shown
from graphssl.language.schedule import Duration, Piece, Schedule
from graphssl.views.diff.compare import ABSENT
from graphssl.views.escape import clean


def line(text: str) -> str:
    """Text of a file as one line that a terminal shows as it is."""
    return " ".join(clean(text).split())


def value_words(value: Any) -> str:
    """Any value on one line; lists keep their brackets, so that an arrow only ever means old → new."""
    match value:
        case None | () | []:
            return "none"
        case Schedule():
            return schedule_words(value)
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case dict():
            return "{" + ", ".join(f"{line(str(key))} {value_words(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(value_words, value)) + "]"
        case Duration() | str() | int():
            return line(str(value))
    return line(repr(value))


def schedule_words(schedule: Schedule) -> str:
    """`linear from 0 to 3.2 over 10ep, then cosine to 0`."""
    words: list[str] = []
    for piece in schedule.pieces:
        words.append(_piece(piece, schedule.pieces[len(words) - 1].end if words else None))
    return ", then ".join(words) + (", per epoch" if schedule.every_epoch else "")


def _piece(piece: Piece, before: float | None) -> str:
    over = f" over {piece.over}" if piece.over else f" until {piece.until}" if piece.until else ""
    if piece.shape == "constant":
        return f"{piece.end:g}{over}"
    start = "" if piece.start is None or piece.start == before else f" from {piece.start:g}"
    return f"{piece.shape}{start} to {piece.end:g}{over}"


def both(old: Any, new: Any) -> tuple[str, str]:
    """Two different values in words that differ: to full precision where fewer digits would not tell them apart."""
    words = value_words(old), value_words(new)
    return words if words[0] != words[1] else (line(shown(old)), line(shown(new)))


def arrow(old: Any, new: Any) -> str:
    """`old → new`, or the one there is."""
    if old is ABSENT or new is ABSENT:
        return value_words(old if new is ABSENT else new)
    return " → ".join(both(old, new))


def entries(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Entries of two maps that differ, each as old → new, or what was added or removed; or that their order differs."""
    differs = [key for key in {**old, **new} if shown(old.get(key, ABSENT)) != shown(new.get(key, ABSENT))]
    for key in differs:
        if key not in old:
            yield key, f"{value_words(new[key])} (added)"
        elif key not in new:
            yield key, f"{value_words(old[key])} (removed)"
        else:
            yield key, arrow(old[key], new[key])
    if not differs:
        yield "in the order", f"{', '.join(map(line, old))} → {', '.join(map(line, new))}"


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b, and c`."""
    if len(words) < 3:
        return " and ".join(words)
    return f"{', '.join(words[:-1])}, and {words[-1]}"
