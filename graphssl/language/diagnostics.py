"""Places in source text, and findings that print themselves there.

Does not decide what is wrong: stages and checks make findings, this file only carries and renders them.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphssl.language.limits import MAX_FINDINGS, MAX_WORD


@dataclass(frozen=True, eq=False)
class Source:
    """One text that a person wrote: a file, or the words of one `--set`."""

    name: str
    text: str
    lines: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lines", tuple(self.text.splitlines()))


@dataclass(frozen=True)
class Span:
    """Where something stands: 1-based lines and columns; the end is exclusive."""

    source: Source
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"

    @property
    def place(self) -> str:
        """File and line, for comments and notes."""
        return f"{self.source.name}:{self.line}"

    def excerpt(self, label: str = "") -> str:
        """The line with a caret under the span."""
        if not 1 <= self.line <= len(self.source.lines):
            return ""
        text = self.source.lines[self.line - 1]
        shown, start = _window(text, self.column - 1)
        stop = self.end_column - 1 if self.end_line == self.line else len(text)
        width = max(1, min(stop - self.column + 1, len(shown) - start))
        number = f"{self.line:>4}"
        caret = " " * start + "^" * width
        return f"{number} | {on_one_line(shown)}\n{' ' * len(number)} | {caret}{' ' + label if label else ''}"


def _window(text: str, column: int, width: int = 160) -> tuple[str, int]:
    """A part of a very long line around `column`, and the column's place in that part."""
    if len(text) <= width:
        return text, column
    first = max(0, min(column - width // 2, len(text) - width))
    return text[first : first + width], column - first


def on_one_line(text: str) -> str:
    """The text as a terminal can show it: each sign that would move or reorder what stands there is replaced, one for one."""
    return (
        text if text.isprintable() else "".join(c if c.isprintable() else " " if c == "\t" else "\ufffd" for c in text)
    )


def first_line(error: Exception) -> str:
    """The message of an error, on one line."""
    return ((getattr(error, "strerror", None) or str(error)).splitlines() or [type(error).__name__])[0][:300]


SEVERITIES = ("error", "warning", "advice")


@dataclass(frozen=True)
class Finding:
    """One thing found in a graph: a stable code, one sentence, a place, and what to do."""

    code: str
    message: str
    span: Span | None = None
    severity: str = "error"
    node: str | None = None
    help: str | None = None
    also: tuple[Span, str] | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "file": self.span.source.name if self.span else None,
            "line": self.span.line if self.span else None,
            "column": self.span.column if self.span else None,
            "node": self.node,
            "help": self.help,
        }

    def to_text(self) -> str:
        where = f"{self.span}: " if self.span else ""
        parts = [f"{where}{self.severity}[{self.code}]: {on_one_line(self.message)}"]
        if self.span:
            parts.append(self.span.excerpt())
        if self.also:
            span, label = self.also
            if self.span and span.source is not self.span.source:
                label = f"{label} ({span})"
            parts.append(span.excerpt(label))
        if self.help:
            parts.append(f"  help: {on_one_line(self.help)}")
        return "\n".join(part for part in parts if part)


class GraphError(Exception):
    """A graph that cannot be used; carries every finding, and prints them."""

    def __init__(self, findings: Iterable[Finding]):
        self.findings = tuple(findings)
        super().__init__(render_text(self.findings))


def collecting(found: list[Finding]) -> Callable[[Finding], None]:
    """A report that adds to `found`; raises GraphError when they are too many, so that the work on them ends."""

    def report(finding: Finding) -> None:
        found.append(finding)
        if len(found) >= MAX_FINDINGS:
            raise GraphError([too_many(finding.span)])

    return report


def too_many(span: Span | None) -> Finding:
    message = f"there are more than {MAX_FINDINGS} findings: what stands behind them was not looked at"
    return Finding("too-many-findings", message, span, help="mend the first ones first")


def in_reading_order(findings: Iterable[Finding]) -> list[Finding]:
    """Findings sorted by file, line and column, each once."""
    unique = dict.fromkeys(findings)

    def key(finding: Finding) -> tuple[Any, ...]:
        span = finding.span
        place = (span.source.name, span.line, span.column) if span else ("", 0, 0)
        return (*place, SEVERITIES.index(finding.severity), finding.code, finding.message)

    return sorted(unique, key=key)


def has_errors(findings: Iterable[Finding]) -> bool:
    return any(finding.severity == "error" for finding in findings)


_MANY = 100


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` most likely stands for, if one is close."""
    known = sorted(name for name in known if len(name) <= MAX_WORD)
    if len(word) > MAX_WORD:
        return None
    if len(known) > _MANY:  # comparing takes time: those that begin alike
        known = [name for name in known if name[:2] == word[:2]][:_MANY]
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if found:
        return found[0]
    starts = [name for name in known if name.startswith(word) or word.startswith(name)]
    return starts[0] if len(starts) == 1 and word else None


def did_you_mean(word: str, known: Iterable[str], what: str = "") -> str:
    """Help for an unknown word: the closest known one, or all of them."""
    known = sorted(known)
    near = closest(word, known)
    if near:
        return f"write `{near}`"
    if not known:
        return f"there is no {what} here" if what else "remove it"
    shown = ", ".join(f"`{name[:MAX_WORD]}`" for name in known[:24])
    return f"known: {shown}{', …' if len(known) > 24 else ''}"


def summary(findings: Sequence[Finding]) -> str:
    """How many of each severity, in words."""
    counts = [(s, sum(f.severity == s for f in findings)) for s in SEVERITIES]
    words = [f"{n} {s}{'s' if n != 1 and s != 'advice' else ''}" for s, n in counts if n]
    return ", ".join(words) or "no findings"


def render_text(findings: Iterable[Finding]) -> str:
    return "\n\n".join(finding.to_text() for finding in findings)


def render_json(findings: Iterable[Finding]) -> str:
    return json.dumps([finding.to_json() for finding in findings], indent=2)


def render_github(findings: Iterable[Finding]) -> str:
    """Workflow commands that show findings on the changed lines of a pull request."""
    level = {"error": "error", "warning": "warning", "advice": "notice"}

    def escape(text: str, prop: bool = False) -> str:
        text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
        return text.replace(":", "%3A").replace(",", "%2C") if prop else text

    lines = []
    for finding in findings:
        place = ""
        if finding.span:
            name = escape(finding.span.source.name, prop=True)
            place = f" file={name},line={finding.span.line},col={finding.span.column},title={finding.code}"
        text = finding.message + (f"\nhelp: {finding.help}" if finding.help else "")
        text = "\n".join(map(on_one_line, text.split("\n")))
        lines.append(f"::{level[finding.severity]}{place}::{escape(text)}")
    return "\n".join(lines)


def render_sarif(findings: Sequence[Finding]) -> str:
    """SARIF 2.1.0, which code-scanning services and editors read."""
    level = {"error": "error", "warning": "warning", "advice": "note"}
    results = []
    for finding in findings:
        result: dict[str, Any] = {
            "ruleId": finding.code,
            "level": level[finding.severity],
            "message": {"text": finding.message + (f" (help: {finding.help})" if finding.help else "")},
        }
        if finding.span:
            span = finding.span
            region = {
                "startLine": span.line,
                "startColumn": span.column,
                "endLine": span.end_line,
                "endColumn": max(span.end_column, span.column + 1) if span.end_line == span.line else span.end_column,
            }
            result["locations"] = [
                {"physicalLocation": {"artifactLocation": {"uri": span.source.name}, "region": region}}
            ]
        results.append(result)
    rules = [{"id": code} for code in sorted({finding.code for finding in findings})]
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": {"name": "graphssl", "rules": rules}}, "results": results}],
    }
    return json.dumps(document, indent=2)
