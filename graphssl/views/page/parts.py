"""What every page of ours is put together from: a skeleton with gaps, data, and the style and scripts that all of them have."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from graphssl.views.palette import LINES, VIRIDIS
from graphssl.views.style import hot, variables


@cache
def part(package: str, name: str) -> str:
    """A text file that lies beside the code."""
    return (files(package) / name).read_text(encoding="utf-8").strip()


def filled(skeleton: str, parts: Mapping[str, str]) -> str:
    """The skeleton with each `{{name}}` replaced; what is put in is not looked at again."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], skeleton)


def script_json(data: Any) -> str:
    """JSON that can stand in an HTML script element: nothing in it can end the element or begin another."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.translate({ord(c): f"\\u{ord(c):04x}" for c in "<>&"})


def script(package: str, *names: str) -> str:
    """Scripts of a page behind those that every page has, as one, with nothing of theirs visible to others."""
    colours = f"const VIRIDIS = {json.dumps(VIRIDIS)};\nconst LINES = {json.dumps(LINES)};"
    ours = [colours, *(part(__package__, name) for name in ("basics.js", "heat.js"))]
    body = "\n\n".join([*ours, *(part(package, name) for name in names)])
    return f'(() => {{\n"use strict";\n{body}\n}})();'


def style(package: str, name: str) -> str:
    """The style of a page, with the colours of a drawing as properties and what a measure colours."""
    return f"{variables()}\n{part(package, name)}\n{hot()}"


def reading_style(package: str, name: str) -> str:
    """The style of a page that is read from top to bottom."""
    return f"{part(__package__, 'reading.css')}\n{style(package, name)}"


def policy(code: str = "") -> str:
    """What a page in a file may load: nothing but this script, its own styles, and pictures that stand in it."""
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    scripts = f"script-src 'sha256-{digest}'; " if code else ""
    return f"default-src 'none'; {scripts}style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
