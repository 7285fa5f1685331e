"""Reading what a checkpoint holds without believing it: plain files of bounded size, tensors and JSON, nothing that executes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from graphssl.language.diagnostics import first_line
from graphssl.plainfile import open_plain
from graphssl.runtime.errors import RunError

MAX_JSON = 16 * 2**20
"""Bytes of a state.json."""

_COUNT = {"type": "integer", "minimum": 0, "maximum": 2**53}
FACTS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["step", "optimizers", "memory"],
    "properties": {
        "step": _COUNT,
        "total_steps": _COUNT,
        "samples": _COUNT,
        "memory": {"type": "object"},
        "optimizers": {"type": "array", "items": {"type": "object", "additionalProperties": {"type": "object"}}},
    },
}
"""What a run needs of its state.json to go on."""


def read_tensors(file: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file; RunError when it is none."""
    try:
        open_plain(file).close()
        return load_file(file)
    except (OSError, SafetensorError, ValueError, TypeError, KeyError, OverflowError, RuntimeError) as error:
        # safetensors checks the header; what torch then makes of a dtype or shape raises the others
        raise RunError(f"cannot read `{file}`: {first_line(error)}") from None


def read_json(file: Path, schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON file of this schema; RunError with the place that does not fit."""
    try:
        with open_plain(file) as opened:
            data = opened.read(MAX_JSON + 1)
        if len(data) > MAX_JSON:
            raise ValueError(f"it is longer than {MAX_JSON >> 20} MiB")
        found: dict[str, Any] = json.loads(data)
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"cannot read `{file}`: {first_line(error)}") from None
    wrong = best_match(Draft202012Validator(schema).iter_errors(found))
    if wrong is not None:
        place = ".".join(map(str, wrong.absolute_path)) or "it"
        raise RunError(f"`{file}` is damaged: `{place}` is not what a run writes there")
    return found
