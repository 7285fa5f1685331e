"""How findings print themselves: golden text, and the formats that other programs read."""

from __future__ import annotations

import json

import pytest

import graphssl
from graphssl.language.diagnostics import (
    Finding,
    Source,
    Span,
    closest,
    did_you_mean,
    has_errors,
    in_reading_order,
    render_github,
    render_json,
    render_sarif,
    render_text,
    summary,
)

YAML = """graphssl: 1
name: m
nodes:
  v: {op: augment, recipe: quick, size: 32, count: 2}
  f: {op: encoder, in: v, arch: resnet18}
  g: {op: projector, in: v, dims: [64, 32]}
  z: {op: gather, in: g}
  loss: {op: nt_xent, in: z, temprature: 0.2}
represent: f
"""
TEXT = """\
<text>:2:1: advice[no-train]: the graph has no `train`
   2 | name: m
     | ^^^^
  help: add `train: {optimizer: adamw, lr: 1e-3, epochs: 100, batch_size: 256}`

<text>:6:26: error[port-type-mismatch]: `g.features` expects features (b d) or tokens (b n d), got image (b 3 32 32) from `v`
   6 |   g: {op: projector, in: v, dims: [64, 32]}
     |                          ^
   4 |   v: {op: augment, recipe: quick, size: 32, count: 2}
     |   ^ `v` (augment) is declared here
  help: put an encoder between: `{op: encoder, in: v, arch: resnet50}`

<text>:8:30: error[unknown-key]: `nt_xent` has no key `temprature`
   8 |   loss: {op: nt_xent, in: z, temprature: 0.2}
     |                              ^^^^^^^^^^
  help: write `temperature`"""


def span(text: str, line: int, column: int, end: int) -> Span:
    return Span(Source("a.yaml", text), line, column, line, end)


def test_findings_print_as_compilers_do() -> None:
    assert render_text(graphssl.load(YAML).static) == TEXT


def test_json_has_the_agreed_keys() -> None:
    (first, *_) = json.loads(render_json(graphssl.load(YAML).static))
    assert first == {
        "code": "no-train",
        "severity": "advice",
        "message": "the graph has no `train`",
        "file": "<text>",
        "line": 2,
        "column": 1,
        "node": None,
        "help": "add `train: {optimizer: adamw, lr: 1e-3, epochs: 100, batch_size: 256}`",
    }


def test_github_commands_escape_what_would_break_them() -> None:
    finding = Finding("a-code", "50% of\nit", span("x: 1", 1, 4, 5), help="do: this, that")
    assert (
        render_github([finding])
        == "::error file=a.yaml,line=1,col=4,title=a-code::50%25 of%0Ait%0Ahelp: do: this, that"
    )
    assert render_github([Finding("a-code", "m", severity="advice")]) == "::notice::m"


def test_sarif_holds_rules_and_regions() -> None:
    document = json.loads(render_sarif([Finding("a-code", "m", span("x: 1", 1, 4, 5), severity="warning")]))
    (run,) = document["runs"]
    assert run["tool"]["driver"]["rules"] == [{"id": "a-code"}]
    assert run["results"][0]["level"] == "warning"
    region = run["results"][0]["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 1, "startColumn": 4, "endLine": 1, "endColumn": 5}


def test_a_long_line_is_shown_around_its_place() -> None:
    line = "a: [" + "1, " * 400 + "x]"
    excerpt = span(line, 1, line.index("x") + 1, line.index("x") + 2).excerpt().splitlines()
    assert len(excerpt[0]) < 200
    assert excerpt[0][excerpt[1].index("^")] == "x"


def test_a_place_behind_the_end_has_no_excerpt() -> None:
    assert span("x: 1", 7, 1, 2).excerpt() == ""
    assert "error[a]: m" in Finding("a", "m", span("", 1, 1, 2)).to_text()


def test_the_caret_of_several_lines_ends_with_the_first() -> None:
    place = Span(Source("a", "ab: {c: 1,\n  d: 2}"), 1, 5, 2, 8)
    assert place.excerpt().splitlines()[1].count("^") == 6


def test_findings_are_sorted_by_place_and_each_shown_once() -> None:
    one, two = Finding("b", "m", span("x\ny", 2, 1, 2)), Finding("a", "m", span("x\ny", 1, 1, 2))
    three = Finding("c", "m")
    assert [f.code for f in in_reading_order([one, two, three, two])] == ["c", "a", "b"]


def test_errors_are_told_from_the_rest() -> None:
    assert has_errors([Finding("a", "m", severity="warning"), Finding("a", "m")])
    assert not has_errors([Finding("a", "m", severity="warning")])
    assert summary([Finding("a", "m"), Finding("b", "m"), Finding("c", "m", severity="advice")]) == "2 errors, 1 advice"
    assert summary([]) == "no findings"


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [("temprature", ["temperature", "weight"], "temperature"), ("zz", ["a", "b"], None), ("", ["a"], None)],
)
def test_the_closest_word(word: str, known: list[str], expected: str | None) -> None:
    assert closest(word, known) == expected


def test_help_lists_what_is_known_when_nothing_is_close() -> None:
    assert did_you_mean("zz", ["b", "a"]) == "known: `a`, `b`"
    assert did_you_mean("zz", [f"n{i:02}" for i in range(40)]).endswith("`n23`, …")
    assert did_you_mean("zz", [], "block") == "there is no block here"
