"""Text of files that others wrote, made safe for each format: it can only ever be text there."""

from __future__ import annotations

import json
import re
from html import escape

_UNFIT = re.compile(
    "[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u007f-\u0084\u0086-\u009f\u202a-\u202e\u2066-\u2069]"
)


def clean(text: str) -> str:
    """The text with everything XML forbids, and all marks that reorder what is read, replaced."""
    return _UNFIT.sub("\ufffd", text)


def xml(text: str) -> str:
    """Content or attribute value of an XML element."""
    return escape(clean(text), quote=True)


def mermaid(text: str) -> str:
    """Content of a quoted Mermaid label: everything that Mermaid, Markdown or HTML could read as more is an entity."""
    line = " ".join(clean(text).split())
    return re.sub(r"[^\w ,.→×·Σ★…=+/()-]|_{2,}|\bend\b", lambda m: "".join(f"#{ord(c)};" for c in m[0]), line)


def dot(text: str) -> str:
    """A quoted DOT string; a line break stays one."""
    return '"' + clean(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def mermaid_title(text: str) -> str:
    """A double-quoted YAML string on one line, without what Mermaid would read as markup."""
    line = " ".join(clean(text).split()).replace("%%", "% %")
    return json.dumps(line.translate({ord("<"): "‹", ord(">"): "›", ord("&"): "and"}), ensure_ascii=False)
