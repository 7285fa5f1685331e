"""`graphssl explain` knows every code, and its examples are true."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import graphssl
from graphssl.checks import CHECKS, explanations
from graphssl.curate.checks import CURATION_CHECKS
from graphssl.curate.curation import load as load_curation
from graphssl.language.codes import CODES
from graphssl.language.diagnostics import Finding

PACKAGE = Path(graphssl.__file__).parent
# Functions that make a finding, and which of their arguments is its code.
MAKERS = {"Finding": 0, "find": 0, "_fail": 0, "refuse": 1, "_failure": 1}
DRY_RUN = {
    "unknown-arch", "build-failed", "run-failed", "no-gradient", "group-matches-nothing", "unknown-optimizer",
    "bad-optimizer-argument", "micro-batch-norm",
}  # fmt: skip


def raised_codes() -> dict[str, str]:
    """Every literal code that the package gives to a finding, with a place."""
    found: dict[str, str] = {}
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = getattr(call.func, "id", getattr(call.func, "attr", ""))
            at = MAKERS.get(name)
            if at is not None and len(call.args) > at:
                for part in ast.walk(call.args[at]):
                    if (isinstance(part, ast.Constant) and isinstance(part.value, str) and name != "find") or (
                        isinstance(part, ast.Constant) and isinstance(part.value, str) and "-" in part.value
                    ):
                        found[part.value] = f"{path}:{call.lineno}"
        for node in ast.walk(tree):  # `code, help = "wrong-value", None`
            if isinstance(node, ast.Assign) and re.search(r"\bcode\b", ast.unparse(node.targets[0])):
                for part in ast.walk(node.value):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str) and "-" in part.value:
                        found[part.value] = f"{path}:{node.lineno}"
    return found


def findings_of(text: str, code: str) -> list[Finding]:
    if "kind: curation" in text and code != "wrong-kind":
        return load_curation(text).findings
    method = graphssl.load(text)
    return method.findings if code in DRY_RUN else method.static


def test_every_code_that_is_raised_is_explained_and_the_other_way_round() -> None:
    raised = raised_codes() | {"loop": ""}
    assert {code: place for code, place in raised.items() if code not in explanations()} == {}
    assert explanations().keys() - raised.keys() == set()


def test_no_code_is_explained_twice() -> None:
    codes = [e.code for e in CODES] + [rule.EXPLAIN.code for rule in (*CHECKS, *CURATION_CHECKS)]
    assert len(codes) == len(set(codes))


def test_a_rule_stands_in_the_file_of_its_code() -> None:
    files = {path.stem for path in (PACKAGE / "checks").glob("*.py")}
    for rule in CHECKS:
        assert rule.__name__.rpartition(".")[2] == rule.EXPLAIN.code.replace("-", "_")  # type: ignore[attr-defined]
        assert rule.__doc__
    assert files - {rule.EXPLAIN.code.replace("-", "_") for rule in CHECKS} == {"__init__", "flow", "dry_run", "recipe"}


@pytest.mark.parametrize("code", sorted(code for code, e in explanations().items() if e.example and not e.launch))
def test_the_example_has_the_finding_and_the_repaired_one_has_none(code: str) -> None:
    explanation = explanations()[code]
    assert code in {finding.code for finding in findings_of(explanation.example, code)}
    assert [finding.to_text() for finding in findings_of(explanation.instead, code)] == []


@pytest.mark.parametrize("explanation", explanations().values(), ids=lambda e: e.code)
def test_an_explanation_is_complete(explanation) -> None:  # type: ignore[no-untyped-def]
    assert explanation.what and explanation.why
    assert bool(explanation.example) == bool(explanation.instead)
    assert not explanation.what.endswith(".")
    assert explanation.why.endswith(".")
