"""Sheets → one HTML file that needs nothing else: drawings, data, style and script stand in it."""

from __future__ import annotations

from collections.abc import Sequence

from graphssl.views.escape import xml
from graphssl.views.page.parts import filled, part, policy, script, script_json, style
from graphssl.views.page.payload import payload
from graphssl.views.page.sheets import Sheet
from graphssl.views.style import rules

_SCRIPTS = ("model.js", "canvas.js", "panel.js", "measures.js", "page.js")


def html(title: str, sheets: Sequence[Sheet], *, mode: str = "method") -> str:
    """The page; the same arguments always give the same bytes.

    mode: `method`, with a switch between sheets, or `diff`, of the three sheets `before`, `after` and `both`.
    """
    data, figures = payload(title, sheets, mode)
    code = script(__package__, *_SCRIPTS)
    parts = {
        "policy": policy(code),
        "title": xml(title),
        "style": style(__package__, "page.css"),
        "drawing_style": _drawing_style(),
        "first": figures[0] if figures else "",
        "figures": "\n".join(f'<template class="figure">{figure}</template>' for figure in figures[1:]),
        "payload": script_json(data),
        "script": code,
    }
    return filled(part(__package__, "page.html"), parts)


def _drawing_style() -> str:
    """The rules of a drawing, dark where the system or the page's switch says so, and never on paper."""
    common, light, dark = ("\n".join(lines) for lines in rules())
    followed = (
        f"@media screen and (prefers-color-scheme: dark) {{ :where(:root:not([data-theme=light])) {{\n{dark}\n}} }}"
    )
    return f"{common}\n{light}\n{followed}\n@media screen {{ :where(:root[data-theme=dark]) {{\n{dark}\n}} }}"
