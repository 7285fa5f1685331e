"""Every malformed graph gives exactly the findings that are written in it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import graphssl
from graphssl.checks import explanations
from graphssl.curate.curation import load as load_curation
from graphssl.language.diagnostics import Finding, render_github, render_json, render_sarif, render_text

HERE = Path(__file__).parent
FILES = sorted(HERE.rglob("*.yaml"))
EXPECTED = re.compile(r"(error|warning|advice): \[([a-z-]+)\](?: @(\d+))?")
# Codes that no small file can show; the tests named here do.
ELSEWHERE = {
    "file-too-large": "language/test_reader.py",
    "too-many-nodes": "language/test_limits.py",
    "too-large-to-draw": "views/test_drawing_layout.py",
    "too-many-views": "hostile/corpus.py",
    "too-many-findings": "hostile/corpus.py",
    "bad-override": "language/test_overrides.py",
    "bad-plugin": "cli/test_commands.py",
    "bad-recipe": "language/test_recipes.py",
    "shape-contradiction": "checks/test_dry_run.py",
    "gradient-into-teacher": "checks/test_dry_run.py",
    "run-differs": "runtime/test_weights.py",
}

Place = tuple[int | None, int | None, str, str]


def expected(path: Path) -> list[Place]:
    """(line, column, severity, code) of each finding that a file names."""
    sidecar = path.with_suffix(".expect")
    if sidecar.exists():
        found = []
        for line in sidecar.read_text().splitlines():
            number = re.match(r"(\d+): ", line)
            found += _places(line, int(number[1]) if number else None)
        return found
    lines = path.read_text().splitlines()
    return [place for i, line in enumerate(lines, start=1) for place in _places(line.partition("  # ")[2], i)]


def _places(text: str, line: int | None) -> list[Place]:
    return [(line, int(m[3]) if m[3] else None, m[1], m[2]) for m in EXPECTED.finditer(text)]


def place(finding: Finding) -> Place:
    span = finding.span
    return (span.line if span else None, span.column if span else None, finding.severity, finding.code)


def reference(path: Path) -> str:
    chosen = re.match(rb"# with: (@\w+)", path.read_bytes())
    return f"{path}{chosen[1].decode() if chosen else ''}"


def key(place: Place) -> tuple[int, int, str]:
    return (place[0] or 0, place[1] or 0, place[3])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(HERE).with_suffix("").as_posix())
def test_a_malformed_graph_gives_the_findings_written_in_it(path: Path) -> None:
    load = load_curation if path.parent.name == "curation" else graphssl.load
    findings = load(reference(path)).findings
    assert sorted(map(place, findings), key=key) == sorted(expected(path), key=key), render_text(findings)
    assert findings, "a file without findings is not malformed"
    for finding in findings:
        assert finding.message == finding.message.strip().rstrip(".")
        assert finding.span is None or finding.code in ("not-text",) or finding.span.source.name.endswith(path.name)
        if finding.span:
            excerpt = finding.span.excerpt()
            assert finding.to_text().startswith(f"{finding.span}: {finding.severity}[{finding.code}]: ")
            assert excerpt == "" or "^" in excerpt.splitlines()[1]
    assert [f["code"] for f in json.loads(render_json(findings))] == [f.code for f in findings]
    assert len(json.loads(render_sarif(findings))["runs"][0]["results"]) == len(findings)
    assert len(render_github(findings).splitlines()) == len(findings)


def test_there_are_many() -> None:
    assert len(FILES) >= 150


def test_every_code_has_a_malformed_graph() -> None:
    shown = {code for path in FILES for _, _, _, code in expected(path)}
    launch = {code for code, explanation in explanations().items() if explanation.launch}  # checks/test_launch.py
    assert explanations().keys() - launch - shown == ELSEWHERE.keys()
    assert all((HERE.parent / test).exists() for test in ELSEWHERE.values())


def test_a_malformed_graph_compiles_to_its_findings() -> None:
    with pytest.raises(graphssl.GraphError) as caught:
        graphssl.compile(str(HERE / "several_at_once.yaml"))
    assert [f.code for f in caught.value.findings] == ["wrong-value", "unknown-op", "unknown-node", "wrong-type"]
    assert str(caught.value).count("error[") == 4
