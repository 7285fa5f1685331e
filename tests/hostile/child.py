"""`python -m tests.hostile.child FAMILY`: everything that needs no torch, with each case of a family, in little memory.

Prints one JSON line per case: what went wrong, the codes that were found, the slowest thing that was done and its seconds of CPU.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import resource
import sys
import tempfile
import time
import xml.etree.ElementTree
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import yaml

import graphssl
from graphssl.cli import main
from graphssl.language.diagnostics import GraphError, has_errors, render_github, render_json, render_sarif, render_text
from graphssl.views import SUFFIXES, draw
from graphssl.views.diff import diff
from tests.hostile.corpus import FAMILIES, PLAIN, Case

MEMORY = 500 * 2**20
"""Bytes that one may take beside those of the program itself."""


class Timed:
    """Does things and notes the slowest, by CPU seconds of this thread."""

    def __init__(self) -> None:
        self.slowest, self.seconds = "", 0.0

    def __call__(self, what: str, do: Callable[[], Any]) -> Any:
        begun = time.thread_time()
        try:
            return do()
        except GraphError:
            return None
        finally:
            taken = time.thread_time() - begun
            if taken > self.seconds:
                self.slowest, self.seconds = what, taken


def everything(reference: str, overrides: Any = (), *, picture: bool = True) -> tuple[Timed, list[str]]:
    """Read, check, tell, resolve, draw in all formats and compare what `reference` means; the time, and the codes found.

    picture: draw the PNG, too, which takes longer than all the others and is made from the SVG.
    """
    timed = Timed()
    method = timed("load", lambda: graphssl.load(reference, overrides))
    findings = timed("check", lambda: method.static)
    for render in (render_text, render_json, render_github, render_sarif):
        told = timed(render.__name__, lambda: render(findings))  # noqa: B023
        assert "\x1b" not in told and "\u202e" not in told
    timed("fingerprint", lambda: method.fingerprint)
    if method.tree is not None:
        text = timed("resolve", lambda: method.text())
        yaml.safe_load(text)
    drawing = timed("draw", lambda: draw(method, with_errors=True))
    timed("collapse", lambda: draw(method, None, with_errors=True))
    if drawing is not None:
        suffixes = [suffix for suffix in SUFFIXES if picture or suffix != "png"]
        shown = {suffix: timed(suffix, lambda: drawing.as_(suffix)) for suffix in suffixes}  # noqa: B023
        if shown["svg"] is not None:  # more than is drawn
            well_formed(shown)
    if method.graph is not None and not has_errors(findings):
        found = timed("diff", lambda: diff(method, PLAIN))
        if found is not None:
            timed("told diff", lambda: (str(found), found.to_json()))
    return timed, sorted({finding.code for finding in findings})


def well_formed(shown: dict[str, Any]) -> None:
    """Drawings are what they claim to be, with no part that some text of a file smuggled in."""
    tags = {node.tag.rpartition("}")[2] for node in xml.etree.ElementTree.fromstring(shown["svg"]).iter()}
    assert tags <= {
        "svg",
        "g",
        "rect",
        "path",
        "text",
        "title",
        "style",
        "polygon",
        "polyline",
        "circle",
        "ellipse",
        "tspan",
    }, tags
    assert shown.get("png", b"\x89PNG").startswith(b"\x89PNG")
    json.loads(shown["json"])
    page = Page()
    page.feed(shown["html"])
    assert page.scripts <= 3 and not page.handlers, (page.scripts, page.handlers)
    outside = re.sub(r'"(\\.|[^"\\])*"', "", shown["dot"], flags=re.DOTALL)
    assert '"' not in outside and "evil" not in outside and "URL" not in outside, outside
    assert not any(line.lstrip().startswith(("click", "%%")) for line in shown["mmd"].split("\n"))


class Page(HTMLParser):
    """Counts what could run in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts, self.handlers = 0, list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.handlers += [name for name, value in attrs if name.startswith("on") or "javascript:" in (value or "")]
        assert tag not in ("img", "iframe", "foreignobject", "object", "embed"), tag


def tried(case: Case) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        try:
            timed, codes = everything(case.reference(Path(folder)), case.overrides, picture=case.picture)
        except BaseException as error:
            import traceback

            where = traceback.extract_tb(error.__traceback__)[-1]
            return {
                "name": case.name,
                "error": f"{type(error).__name__}: {str(error)[:200]} ({where.filename}:{where.lineno})",
            }
        if Path(folder, "pwned").exists():
            return {"name": case.name, "error": "something was executed"}
    return {"name": case.name, "codes": codes, "slowest": timed.slowest, "seconds": round(timed.seconds, 2)}


def limit_memory() -> None:
    """Let this process take MEMORY more than it has."""
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, now + MEMORY))


if __name__ == "__main__":
    everything("byol@quick")  # whatever is imported when needed
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        main(["check", "--static", "byol@quick"])
    limit_memory()
    for case in FAMILIES[sys.argv[1]]:
        print(json.dumps(tried(case)), flush=True)
