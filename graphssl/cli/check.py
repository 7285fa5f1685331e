"""`check` and `explain`."""

from __future__ import annotations

import argparse
import sys

from graphssl.checks.launch import launch_findings
from graphssl.checks.launch.config import read_launch
from graphssl.cli.failures import UsageError
from graphssl.cli.loading import loaded
from graphssl.language.diagnostics import (
    did_you_mean,
    has_errors,
    in_reading_order,
    render_github,
    render_json,
    render_sarif,
    render_text,
    summary,
)
from graphssl.pipeline import Method


def check(arguments: argparse.Namespace) -> int:
    """All findings of all methods; 1 when there are errors."""
    methods = [loaded(name, arguments) for name in arguments.method]
    found = [f for m in methods for f in (m.static if arguments.static else m.findings)]
    if arguments.launch:
        launch = read_launch(arguments.launch)
        good = [m.graph for m in methods if isinstance(m, Method) and m.graph and not has_errors(m.static)]
        found += [f for graph in good for f in launch_findings(graph, launch, static=arguments.static)]
    found = in_reading_order(found)
    if arguments.format == "text":
        if found:
            print(render_text(found), end="\n\n", file=sys.stderr)
        checked = methods[0].reference if len(methods) == 1 else f"{len(methods)} files"
        print(f"{checked}: {summary(found)}", file=sys.stderr)
    else:
        render = {"json": render_json, "github": render_github, "sarif": render_sarif}[arguments.format]
        if text := render(found):
            print(text)
    return int(has_errors(found))


def explain(arguments: argparse.Namespace) -> int:
    """What a code means, why it matters, an example, and what to write instead."""
    from graphssl.checks import explanations
    from graphssl.runtime import diagnosis

    known = {**explanations(), **diagnosis.explanations()}
    if arguments.code is None:
        width = max(map(len, known))
        for code, explanation in sorted(known.items()):
            print(f"{code:<{width}}  {explanation.what}")
        return 0
    found = known.get(arguments.code.strip("[]"))
    if found is None:
        raise UsageError(f"there is no code `{arguments.code}`: {did_you_mean(arguments.code, known)}")
    parts = [f"{found.code}\n\n{found.what}", found.why]
    parts += [f"example:\n\n{_indented(found.example)}"] if found.example else []
    parts += [f"instead:\n\n{_indented(found.instead)}"] if found.instead else []
    print("\n\n".join(parts))
    return 0


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.strip("\n").splitlines())
