"""`${}`: parameters and shared schedules."""

from __future__ import annotations

from typing import Any

from graphssl.language.diagnostics import Finding
from graphssl.language.resolve import resolve
from graphssl.language.tree import at, plain


def flat(params: str, value: str, more: str = "") -> tuple[Any, list[str]]:
    found: list[Finding] = []
    yaml = f"graphssl: 1\nname: m\nparams: {params}\n{more}doc: {value}\nnodes: {{}}\n"
    tree = resolve(yaml, [], found.append)
    return plain(at(tree, ["doc"])), [f.code for f in found]


def test_alone_it_is_the_value_itself() -> None:
    assert flat("{a: 3}", '"${a}"') == (3, [])
    assert flat("{a: [1, 2]}", '"${a}"') == ([1, 2], [])
    assert flat("{a: {default: 0.5, doc: half}}", '"${ a }"') == (0.5, [])


def test_inside_a_text_it_is_the_text_as_written() -> None:
    assert flat("{a: 1e-3, b: x}", '"lr ${a} and ${b}"') == ("lr 1e-3 and x", [])


def test_parameters_may_name_parameters_in_any_order() -> None:
    assert flat('{a: "${b}", b: ["${c}", 2], c: 1}', '"${a}"') == ([1, 2], [])


def test_parameters_in_a_circle_are_reported_once() -> None:
    assert flat('{a: "${b}", b: "${a}"}', '"${a}"')[1] == ["param-cycle"]
    assert flat('{a: "x${a}"}', '"${a}"')[1] == ["param-cycle"]
    assert flat('{a: "${b}", b: "${a}", c: "${d}", d: "${c}"}', '"${a} ${c}"')[1] == ["param-cycle", "param-cycle"]


def test_a_name_that_is_none_is_reported_where_it_stands_and_only_there() -> None:
    assert flat("{}", '"${a}"')[1] == ["unknown-param"]
    assert flat('{a: "${nope}"}', '"${a}"')[1] == ["unknown-param"]


def test_bounds_hold_for_what_a_parameter_refers_to() -> None:
    assert flat('{a: {default: "${b}", max: 3}, b: 5}', '"${a}"')[1] == ["wrong-value"]
    assert flat('{a: {default: "${b}", max: 3}, b: 2}', '"${a}"') == (2, [])


def test_nothing_is_evaluated() -> None:
    assert flat("{a: 1}", '"${a + 1}"')[1] == [
        "unknown-param",
    ]
    assert flat("{a: 1}", '"${__import__}"')[1] == ["unknown-param"]


def test_a_shared_schedule_may_use_parameters() -> None:
    value, codes = flat("{end: 1.0}", '"${schedules.t}"', 'schedules: {t: {cosine: {from: 0.9, to: "${end}"}}}\n')
    assert (value, codes) == ({"cosine": {"from": 0.9, "to": 1.0}}, [])


def test_a_parameter_used_in_an_unchosen_variant_is_used() -> None:
    assert flat("{a: 1}", "x", 'variants: {v: {title: "${a}"}}\n')[1] == []
