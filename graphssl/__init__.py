"""graphssl: self-supervised learning methods as checked, compiled and drawn dataflow graphs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from graphssl.evaluate.encoder import load_encoder as load_encoder
    from graphssl.language.diagnostics import Finding as Finding
    from graphssl.language.diagnostics import GraphError as GraphError
    from graphssl.pipeline import Method as Method
    from graphssl.pipeline import check as check
    from graphssl.pipeline import compile as compile
    from graphssl.pipeline import load as load
    from graphssl.views import draw as draw
    from graphssl.views.diff import diff as diff

_HOME = {
    "load": "graphssl.pipeline",
    "check": "graphssl.pipeline",
    "compile": "graphssl.pipeline",
    "Method": "graphssl.pipeline",
    "GraphError": "graphssl.language.diagnostics",
    "Finding": "graphssl.language.diagnostics",
    "draw": "graphssl.views",
    "diff": "graphssl.views.diff",
    "load_encoder": "graphssl.evaluate.encoder",
}
__all__ = ["Finding", "GraphError", "Method", "check", "compile", "diff", "draw", "load", "load_encoder"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'graphssl' has no attribute {name!r}")
