"""Types of edges and the unification of axes."""

from __future__ import annotations

from graphssl.ir.types import Axes, Edge, Value, patterns


def test_patterns_are_read() -> None:
    first, second = patterns("features[b d] | tokens[b n d]")
    assert (first.kind, first.axes) == ("features", ("b", "d"))
    assert str(second) == "tokens (b n d)"
    assert str(patterns("scalar")[0]) == "scalar"


def test_symbols_become_one_and_numbers_must_agree() -> None:
    axes = Axes()
    assert axes.unify("f.d", "g.in")
    assert axes.unify("g.in", 512)
    assert axes.find("f.d") == 512
    assert not axes.unify("f.d", 256)
    assert axes.unify("f.d", 512)


def test_samples_of_one_rank_are_not_those_of_all() -> None:
    axes = Axes()
    assert not axes.unify("b", "B")
    assert axes.unify("x.b", "B")
    assert not axes.unify("b", "x.b")


def test_settled_values_hold_what_is_known() -> None:
    axes = Axes()
    axes.unify("f.d", 64)
    assert axes.settled(Value("features", ("b", "f.d"))).axes == ("b", 64)


def test_edges_say_themselves() -> None:
    value = Value("features", ("b", 64), grad=True)
    assert str(Edge((value,))) == "features[b 64] grad"
    assert str(Edge((value, value), listed=True)) == "2 × features[b 64] grad"
    assert Edge((Value("scalar"), value)).grad
