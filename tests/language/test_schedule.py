"""Numbers over time: values at the first, a middle and the last step, bound here and in the generated source."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphssl
from graphssl.compiler.calls import curve_source
from graphssl.language.diagnostics import Finding, Source
from graphssl.language.fields import INVALID, scheduled
from graphssl.language.reader import read_value
from graphssl.language.schedule import Curve, Duration, Piece, Schedule, drops, duration


def schedule(text: str) -> Schedule:
    found: list[Finding] = []
    value = scheduled().read(read_value(Source("s", text)), "value", found.append)
    assert found == []
    assert isinstance(value, Schedule)
    return value


def at(text: str, *steps: int, total: int = 100, per_epoch: int = 10) -> list[float]:
    curve = schedule(text).bind(total, per_epoch)
    return [round(curve(step), 9) for step in steps]


def test_a_constant_stays() -> None:
    assert at("{constant: 0.3}", 0, 50, 99) == [0.3, 0.3, 0.3]


def test_a_line_reaches_its_end_behind_the_last_step() -> None:
    assert at("{linear: {from: 0, to: 1}}", 0, 50, 99, 100, 1000) == [0.0, 0.5, 0.99, 1.0, 1.0]


def test_a_cosine_is_half_way_in_the_middle() -> None:
    first, middle, last, after = at("{cosine: {from: 0.996, to: 1.0}}", 0, 50, 99, 100)
    assert (first, middle, after) == (0.996, 0.998, 1.0)
    assert last == round(1 - 0.004 * (1 + math.cos(math.pi * 0.99)) / 2, 9)  # BYOL, equation of tau


def test_a_warm_up_begins_at_zero_and_visits_the_peak_once() -> None:
    values = at("{warmup: 1ep, then: {cosine: {from: 2, to: 0}}}", *range(101))
    assert values[0] == 0.0
    assert values[1] == 0.2
    assert [i for i, value in enumerate(values) if value == 2.0] == [10]
    assert values[100] == 0.0


def test_a_ramp_may_last_for_a_while_and_something_follow() -> None:
    text = "{linear: {from: 0.04, to: 0.07, over: 3ep}, then: 0.07}"
    assert at(text, 0, 15, 30, 99) == [0.04, 0.055, 0.07, 0.07]


def test_a_following_ramp_begins_where_the_last_one_ended() -> None:
    assert at("{linear: {from: 0, to: 1, over: 50%}, then: {linear: {to: 3}}}", 0, 25, 50, 75, 99)[:4] == [0, 0.5, 1, 2]


def test_steps_multiply_at_each_place() -> None:
    text = "{steps: {from: 1, at: [3ep, 6ep], factor: 0.1}}"
    assert at(text, 0, 29, 30, 59, 60, 99) == [1, 1, 0.1, 0.1, 0.01, 0.01]


def test_every_epoch_holds_the_value_within_an_epoch() -> None:
    assert at("{linear: {from: 0, to: 1}, every: epoch}", 0, 9, 10, 19, 95) == [0, 0, 0.1, 0.1, 0.9]


def test_durations_have_units() -> None:
    assert duration("10ep").steps(1000, 7) == 70
    assert duration("0.5ep").steps(1000, 7) == 4
    assert duration("500steps").steps(1000, 7) == 500
    assert duration("5 %").steps(1000, 7) == 50
    for wrong in ("10", "ep", "10epochs", "-1ep", "1e3ep"):
        with pytest.raises(ValueError):
            duration(wrong)


def test_a_duration_with_a_line_break_is_refused_and_not_raised() -> None:
    found: list[Finding] = []
    assert (
        scheduled().read(read_value(Source("s", '{linear: {from: 0, to: 1, over: "3ep\\n"}}')), "v", found.append)
        is INVALID
    )
    assert [f.code for f in found] == ["wrong-value"]


def test_a_schedule_says_itself_in_words() -> None:
    assert str(schedule("{warmup: 10ep, then: {cosine: {from: 1, to: 0}}}")) == "0→1 linear over 10ep, 1→0 cosine"


@pytest.mark.parametrize(
    ("method", "steps", "expected"),
    [
        ("byol", (0, 500, 999), (0.0, 4096 / 256 * 0.2 * 0.5, None)),
        ("simclr", (0,), (0.0,)),
        ("moco_v1", (0, 119, 120, 160), (0.03, 0.03, 0.003, 0.0003)),
    ],
)
def test_learning_rates_of_bundled_methods(
    method: str, steps: tuple[int, ...], expected: tuple[float | None, ...]
) -> None:
    train = graphssl.load(method).checked_graph().train
    assert train is not None
    epochs = int(train.epochs)
    curve = train.lr_curve(epochs, 1)
    for step, value in zip(steps, expected, strict=True):
        if value is not None:
            assert curve(step) == pytest.approx(value, rel=0.02, abs=1e-12)


# The curve in the generated source is the bound one


pieces = st.lists(
    st.builds(
        Piece,
        st.sampled_from(["constant", "linear", "cosine"]),
        st.floats(0, 10) | st.none(),
        st.floats(0, 10),
        st.builds(
            Duration, st.integers(0, 30) | st.sampled_from([0.5, 2.5, 7.25]), st.sampled_from(["ep", "steps", "%"])
        ),
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=150, deadline=None)
@given(pieces, st.booleans(), st.booleans(), st.integers(1, 400), st.integers(1, 40))
def test_the_generated_curve_equals_the_bound_one(
    parts: list[Piece], open_end: bool, every_epoch: bool, steps: int, steps_per_epoch: int
) -> None:
    if open_end:
        parts = [*parts[:-1], Piece(parts[-1].shape, parts[-1].start, parts[-1].end, None)]
    given = Schedule(tuple(parts), every_epoch)
    bound = given.bind(steps, steps_per_epoch)
    written = eval(curve_source(given), {"Curve": Curve, "steps": steps, "steps_per_epoch": steps_per_epoch})
    assert [written(k) for k in range(0, steps + 2, 7)] == [bound(k) for k in range(0, steps + 2, 7)]


def test_a_staircase_needs_rising_places() -> None:
    stairs = Schedule(drops(1.0, [Duration(2, "ep"), Duration(3, "ep")], 0.5)).bind(100, 10)
    assert [stairs(k) for k in (0, 19, 20, 29, 30, 99)] == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]


def test_the_places_of_a_staircase_count_from_the_beginning_of_the_training() -> None:
    recipe = {
        "optimizer": "sgd",
        "lr": {"$replace": True, "base": 1.0, "then": {"steps": {"at": ["4ep"], "factor": 0.1}}},
    }
    train = graphssl.load("simclr@quick", {"train": {**recipe, "warmup": "2ep"}}).checked_graph().train
    assert train is not None
    curve = train.lr.bind(100, 10)
    assert [curve(k) for k in (0, 10, 20, 39, 40, 99)] == [0.0, 0.5, 1.0, 1.0, 0.1, 0.1]
