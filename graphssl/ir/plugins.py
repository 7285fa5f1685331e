"""Ops that a person brings along, in modules named by `--plugin`."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from graphssl.language.diagnostics import Finding, GraphError


def plugged(plugins: Sequence[str], table: str, what: str) -> dict[str, Any]:
    """The classes that these modules list under the name `table`, by their names; what: what they are, for people."""
    found: dict[str, Any] = {}
    for plugin in plugins:
        try:
            found |= {op.name: op for op in getattr(importlib.import_module(plugin), table)}
        except (ImportError, AttributeError) as error:
            message = f"`--plugin {plugin}` cannot be used: {error}"
            help = f"name an importable module that lists its {what} in `{table}`"
            raise GraphError([Finding("bad-plugin", message, help=help)]) from None
    return found
