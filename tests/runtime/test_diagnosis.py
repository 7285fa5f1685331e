"""A run that goes wrong is told so, once, with the cause; a run that goes well is told nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graphssl
from graphssl.cli import main
from graphssl.ir.graph import Graph
from graphssl.language.diagnostics import Finding
from graphssl.runtime.diagnosis import SYMPTOMS, Diagnosis, explanations, noted
from graphssl.runtime.folder import RunFolder
from graphssl.watch.records import record as watched
from tests.runtime.planted import RUNS, STEPS, history, record, table

Train = Callable[..., int]
RECORDED = [name for name in RUNS if (Path(__file__).parent / "histories" / f"{name}.jsonl.gz").exists()]
FAILURES = [name for name in RECORDED if RUNS[name].expected]


def told(graph: Graph, records: list[dict[str, Any]], known: int = 0) -> list[tuple[int, Finding]]:
    """Steps and findings of a run whose first `known` lines had been written when it went on."""
    first = Diagnosis(graph)
    written = [{**line, "diagnosis": [noted(finding) for finding in first.hear(line)]} for line in records[:known]]
    diagnosis = Diagnosis(graph, written)
    return [(line["step"], finding) for line in records[known:] for finding in diagnosis.hear(line)]


@pytest.mark.parametrize("name", FAILURES)
def test_a_planted_failure_is_told_with_its_cause(name: str) -> None:
    run = RUNS[name]
    found = told(run.load().checked_graph(), history(name))
    step, first = next((step, finding) for step, finding in found if finding.code == run.expected)
    assert step <= STEPS
    assert run.cause in f"{first.message} {first.help}"


def test_ten_healthy_runs_and_the_failures_that_must_be_told_are_recorded() -> None:
    assert len([name for name in RECORDED if not RUNS[name].expected]) >= 10
    assert {"byol_no_predictor", "dino_no_centring", "simclr_cold", "byol_fast"} <= set(FAILURES)


def test_the_table_in_the_documentation_is_that_of_the_recorded_runs() -> None:
    page = Path(__file__).parents[2] / "docs" / "monitors.md"
    assert table() in page.read_text(encoding="utf-8"), "python -m tests.runtime.planted --table"


@pytest.mark.parametrize("name", [name for name in RECORDED if not RUNS[name].expected])
def test_a_healthy_run_is_told_nothing(name: str) -> None:
    assert told(RUNS[name].load().checked_graph(), history(name)) == []


@pytest.mark.parametrize("name", FAILURES)
def test_a_run_that_goes_on_is_told_what_an_unbroken_one_is_and_nothing_twice(name: str) -> None:
    graph, records = RUNS[name].load().checked_graph(), history(name)
    whole = told(graph, records)
    assert len({(finding.code, finding.node) for _, finding in whole}) == len(whole)
    for known in range(0, len(records), 5):
        before = records[known - 1]["step"] if known else 0
        assert told(graph, records, known) == [(step, finding) for step, finding in whole if step > before]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["byol_no_predictor", "dino_no_centring", "simclr_cold", "byol_fast", "simclr", "byol"]
)
def test_planted_failures_and_healthy_runs_for_real(name: str, tmp_path: Path) -> None:
    """On generated images, where the fixtures are CIFAR-10's."""
    run = RUNS[name]
    codes = [f["code"] for line in record(run, "shapes:32,6240", tmp_path / "run") for f in line.get("diagnosis", ())]
    assert (run.expected in codes) if run.expected else not codes


# each symptom, by hand

NODES = ("f", "g", "q", "loss")


def lines(*nodes: dict[str, dict[str, float]], lr: float = 1e-3, **values: float) -> list[dict[str, Any]]:
    """Measured lines, 50 steps apart."""
    return [{"step": 50 * i, "loss": 1.0, "lr": lr, **values, "nodes": found} for i, found in enumerate(nodes, start=1)]


def codes(method: str, records: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
    return [(f.code, f.node) for _, f in told(graphssl.load(method).checked_graph(), records)]


def series(node: str, measure: str, *values: float) -> list[dict[str, dict[str, float]]]:
    return [{node: {measure: value}} for value in values]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ((0.9, 0.2, 0.1), [("collapsed", "g")]),
        ((0.9, 0.2, 0.5), []),  # once is not enough
        ((0.9, 0.4, 0.4), []),  # a prediction is smoother than what it predicts
        ((0.2, 0.2, 0.2), []),  # it began so
    ],
)
def test_collapsed_is_what_falls_and_stays_low(values: tuple[float, ...], found: list[Any]) -> None:
    assert codes("byol@quick", lines(*series("g", "std", *values))) == found


def test_the_first_collapsed_node_is_told_and_not_what_comes_of_it() -> None:
    records = lines(*({"g": {"std": s}, "q": {"std": s}, "f": {"std": 0.9}} for s in (0.9, 0.1, 0.1, 0.1)))
    assert codes("byol@quick", records) == [("collapsed", "g")]


def test_a_slow_copy_is_not_told_apart_from_what_it_follows() -> None:
    assert codes("byol@quick", lines(*series("gt", "std", 0.9, 0.1, 0.1))) == []


def test_few_directions_are_told_while_vectors_differ() -> None:
    def measured(node: str, std: float) -> list[dict[str, Any]]:
        shares = (0.5, 0.05, 0.05)
        return lines(*({node: {"std": std, "rank": 128 * share, "rank_share": share}} for share in shares))

    assert codes("vicreg@quick", measured("f", 0.9)) == [("dimensional-collapse", "f")]
    assert codes("dino@quick", measured("f", 0.9)) == [("dimensional-collapse", "f")], "its slow copy is represented"
    assert codes("vicreg@quick", measured("g", 0.9)) == [], "a projection may"
    assert codes("vicreg@quick", measured("f", 0.2)) == [], "collapsed, or always alike: another matter"


def test_a_head_without_gradient_is_dead() -> None:
    assert codes("byol@quick", lines(*series("q", "grad_norm", 1, 0, 0))) == [("dead-head", "q")]


@pytest.mark.parametrize(("lr", "found"), [([1e-3] * 4, [("uniform-logits", "loss")]), ([1e-4, 2e-4, 3e-4, 4e-4], [])])
def test_a_loss_at_the_cost_of_guessing_is_told_once_the_warm_up_is_over(lr: list[float], found: list[Any]) -> None:
    records = lines(*({"loss": {"chance": 4.1, "chance_share": share}} for share in (1.001, 1.0, 0.999, 1.002)))
    assert codes("simclr@quick", [{**line, "lr": rate} for line, rate in zip(records, lr, strict=True)]) == found


def test_a_loss_that_is_no_number_is_told_at_any_line() -> None:
    assert codes("simclr@quick", [{"step": 30, "loss": math.nan, "lr": 1e-3}]) == [("exploding", "loss")]


def test_a_gradient_a_hundred_times_the_usual_is_told() -> None:
    assert codes("simclr@quick", lines(*series("f", "grad_norm", 3, 1, 2, 500))) == [("exploding", "f")]
    assert codes("simclr@quick", lines(*series("f", "grad_norm", 3, 1, 2, 50))) == []


def test_long_steps_of_growing_weights_speak_of_the_learning_rate() -> None:
    def growing(update: float) -> list[dict[str, Any]]:
        return lines(*({"f": {"weight_norm": length, "update": update}} for length in (10, 12, 25)))

    [(step, finding)] = told(graphssl.load("simclr@quick").checked_graph(), growing(0.05))
    assert (step, finding.code) == (150, "lr-too-high")
    assert "`f` by 5.0% at step 150, and they are 2.5 times as long as at step 50" in finding.message
    assert finding.span and "lr" in finding.span.excerpt()
    assert codes("simclr@quick", growing(0.01)) == []
    rare = [{**line, "step": 10 * line["step"]} for line in growing(0.05)]
    assert codes("simclr@quick", rare) == [("lr-too-high", "f")], "measured every 500 steps"
    steady = lines(*({"f": {"weight_norm": 10.0, "update": 0.05}} for _ in range(3)))
    assert codes("simclr@quick", steady) == []


# in a run


def test_a_run_says_what_is_wrong_writes_it_down_and_does_not_repeat_it(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cold, out = {"nodes.loss.temperature": 0.001}, tmp_path / "run"
    train("simclr", out, cold, steps=54, measure_every=52, log_every=27, checkpoint_every=0.25)
    said = capsys.readouterr().err
    assert said.count("warning[temperature-too-low]") == 1 and "nodes.loss.temperature" in said
    records = list(RunFolder(out).metrics())
    [(step, finding)] = [(line["step"], found) for line in records for found in line.get("diagnosis", ())]
    assert step == 52 and finding["node"] == "loss" and "raise `temperature`" in finding["help"]
    assert json.loads((out / "summary.json").read_text())["diagnosis"] == [{"step": 52, **finding}]

    train("simclr", out, cold, steps=58, measure_every=52, log_every=27, resume=True, allow_changed=True)
    assert "warning[" not in capsys.readouterr().err
    assert [line["step"] for line in RunFolder(out).metrics() if "diagnosis" in line] == [52]


def test_the_page_of_a_run_gets_what_was_told_and_nothing_else() -> None:
    line = {
        "step": 3,
        "diagnosis": [{"code": "collapsed", "node": "g", "message": "m", "help": 7, "more": "x"}, "no", None],
    }
    found = watched(json.dumps(line).encode())
    assert found == {"step": 3, "diagnosis": [{"code": "collapsed", "node": "g", "message": "m"}]}
    assert watched(json.dumps({"step": 3, "diagnosis": {"code": "x"}}).encode()) == {"step": 3}


def test_explain_knows_every_symptom(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(explanations()) == len(SYMPTOMS)
    for symptom in SYMPTOMS:
        assert symptom.__name__.rpartition(".")[2] == symptom.EXPLAIN.code.replace("-", "_")  # type: ignore[attr-defined]
        assert main(["explain", symptom.EXPLAIN.code]) == 0
        assert symptom.EXPLAIN.what in capsys.readouterr().out
