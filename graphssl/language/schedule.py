"""Numbers that change over time, as pure functions of the optimizer step, in float64.

A `Schedule` is what a file says (`{warmup: 10ep, then: {cosine: {to: 0}}}`); `bind` turns it into a `Curve` once the
length of the training is known.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Duration:
    """A stretch of training: `10ep` (epochs), `500steps`, or `5%` of the whole training."""

    value: float
    unit: str

    def steps(self, total: int, per_epoch: int) -> int:
        scale = {"ep": per_epoch, "steps": 1, "%": total / 100}[self.unit]
        return round(self.value * scale)

    def __str__(self) -> str:
        return f"{self.value:g}{self.unit}"


_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(ep|steps|%)")
DURATION_SCHEMA = {"type": "string", "pattern": f"^{_DURATION.pattern}$"}


def duration(text: str) -> Duration:
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no duration")
    if len(match[1]) > 12:
        raise ValueError("a duration of more than 12 digits")
    return Duration(float(match[1]), match[2])


class Curve:
    """A bound schedule: `curve(step)` is the value at a 0-based optimizer step.

    pieces: (shape, start, end, until) in order, shape one of `linear`, `cosine`, `constant`. Piece `i` begins at the
    step where piece `i - 1` ends; behind the last one its end value stays. `every` holds the value for that many steps.
    With t the share of the piece that has passed:
        linear: start + (end - start) * t
        cosine: end + (start - end) * (1 + cos(pi * t)) / 2
    """

    def __init__(self, *pieces: tuple[str, float, float, int], every: int = 1):
        self.pieces = pieces
        self.every = every

    def __call__(self, step: int) -> float:
        k = step // self.every * self.every
        begun = 0
        for shape, start, end, until in self.pieces:
            if k < until:
                if shape == "constant":
                    return start
                if shape == "linear":
                    return start + (end - start) * (k - begun) / (until - begun)
                return end + (start - end) * (1 + math.cos(math.pi * (k - begun) / (until - begun))) / 2
            begun = max(begun, until)
        return self.pieces[-1][2]

    def __repr__(self) -> str:
        pieces = ", ".join(f"({s!r}, {a:g}, {b:g}, {n})" for s, a, b, n in self.pieces)
        return f"Curve({pieces}{f', every={self.every}' if self.every != 1 else ''})"


@dataclass(frozen=True)
class Piece:
    """One stretch of a schedule: `over` so long, or `until` a place in the training, or, without either, to its end.

    start: None takes the end of the piece before.
    """

    shape: str
    start: float | None
    end: float
    over: Duration | None = None
    until: Duration | None = None


@dataclass(frozen=True)
class Schedule:
    """A schedule as written; `every_epoch` moves the value once per epoch instead of every step."""

    pieces: tuple[Piece, ...]
    every_epoch: bool = False

    def bind(self, steps: int, steps_per_epoch: int) -> Curve:
        """The curve for a training of `steps` optimizer steps."""
        pieces, value, at = [], 0.0, 0
        for piece in self.pieces:
            if piece.over:
                at += piece.over.steps(steps, steps_per_epoch)
            else:
                at = piece.until.steps(steps, steps_per_epoch) if piece.until else steps
            start = value if piece.start is None else piece.start
            pieces.append((piece.shape, start, piece.end, at))
            value = piece.end
        return Curve(*pieces, every=steps_per_epoch if self.every_epoch else 1)

    @property
    def first(self) -> float:
        return self.pieces[0].start if self.pieces[0].start is not None else 0.0

    @property
    def last(self) -> float:
        return self.pieces[-1].end

    def values(self) -> list[float]:
        """Every value written in it (the extremes of the curve are among them)."""
        return [v for p in self.pieces for v in (p.start, p.end) if v is not None]

    def __str__(self) -> str:
        words = []
        for piece in self.pieces:
            over = f" over {piece.over}" if piece.over else f" until {piece.until}" if piece.until else ""
            start = "" if piece.start is None else f"{piece.start:g}"
            same = piece.shape == "constant"
            words.append(f"{start}{over}" if same else f"{start}→{piece.end:g} {piece.shape}{over}".strip())
        return ", ".join(words) + (" per epoch" if self.every_epoch else "")


def constant(value: float) -> Schedule:
    return Schedule((Piece("constant", value, value),))


def drops(start: float, at: list[Duration], factor: float) -> tuple[Piece, ...]:
    """A staircase: `start`, times `factor` at each place of `at`, counted from the beginning of the training."""
    pieces = []
    for place in at:
        pieces.append(Piece("constant", start, start, until=place))
        start *= factor
    return (*pieces, Piece("constant", start, start))
