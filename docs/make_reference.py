"""Writes docs/ops.md from the signatures of the ops, the table of augmentation steps and the explanations of findings.

Run by `make schema`; tests/test_docs.py fails when docs/ops.md is not what this file would write.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graphssl.checks import explanations
from graphssl.curate.stages import STAGES
from graphssl.data.steps import SHORTHANDS, STEP_DOCS, STEPS
from graphssl.ir.signature import Input, Op
from graphssl.language.fields import REQUIRED, Field, Scheduled
from graphssl.ops import OPS

FILE = Path(__file__).with_name("ops.md")
WORDS = {"Steps": "a map of steps", "Views": "a list of recipes or of maps of steps"}
ATTRIBUTES = ("attribute", "value", "default", "")
HEAD = """\
# Reference: ops, augmentation steps, findings

Written by `docs/make_reference.py` from the signatures; do not edit. How the pieces fit together stands in
[language.md](language.md). Axes: `b` samples of one rank, `B` of all ranks, `d` width, `n` tokens, `q` queue, `c h w`
image."""
STAGES_HEAD = "## Stages of curations\n\nThe ops of a file with `kind: curation`; see [curation.md](curation.md)."
STEPS_HEAD = "## Augmentation steps\n\nUnder `steps:` of an `augment` node, run in the order written."
FINDINGS_HEAD = "## Findings\n\n`graphssl explain CODE` adds why, an example, and what to write instead."


def reference() -> str:
    """The whole page."""
    parts = [HEAD]
    for kind in ("source", "module", "link", "pure", "state", "loss"):
        parts += [f"## {kind.capitalize()} ops", *(_op(op) for op in OPS if op.kind == kind)]
    parts += [STAGES_HEAD, *map(_op, STAGES)]
    parts += [STEPS_HEAD, *map(_step, STEPS), FINDINGS_HEAD]
    parts.append(_table(("code", "what it says"), [(f"`{e.code}`", e.what) for e in explanations().values()]))
    return "\n\n".join(parts) + "\n"


def _op(op: type[Op]) -> str:
    inputs = [(f"`{name}`", f"`{i.type}`", _input(i)) for name, i in op.inputs.items()]
    outputs = [(f"`{name}`", f"`{o.type}`", o.doc) for name, o in op.outputs.items()]
    attributes = [(f"`{name}`", _words(f), _default(f.default), f.doc) for name, f in op.attrs.items()]
    ports = _table(("input", "takes", ""), inputs), _table(("output", "gives", ""), outputs)
    also = "Besides: inputs, outputs and attributes of the module it links to." if op.kind == "link" else ""
    return "\n\n".join(filter(None, [f"### `{op.name}`", op.doc(), *ports, _table(ATTRIBUTES, attributes), also]))


def _input(given: Input) -> str:
    facts = {"optional": given.optional, "takes a whole list": given.takes_list, "stored for later": given.delayed}
    notes = ", ".join(words for words, true in facts.items() if true)
    return f"{given.doc} ({notes})" if notes else given.doc


def _step(name: str) -> str:
    rows = [(f"`{key}`", p.expected, _default(p.default), p.doc) for key, p in STEPS[name].items()]
    words = ", ".join(f"`{word}`" for word in SHORTHANDS.get(name, ()))
    short = f"Instead of a map, a word: {words}." if words else ""
    return "\n\n".join(filter(None, [f"### step `{name}`", STEP_DOCS[name], short, _table(ATTRIBUTES, rows)]))


def _words(field: Field) -> str:
    words = str(getattr(field, "expected", "") or WORDS[type(field).__name__])
    return f"{words} or a schedule" if isinstance(field, Scheduled) else words


def _default(value: Any) -> str:
    if value is REQUIRED or value is None:
        return "required" if value is REQUIRED else ""
    return f"`{value:g}`" if isinstance(value, float) else f"`{str(value).lower()}`"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *(tuple(cell.replace("|", "\\|") for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if rows else ""


if __name__ == "__main__":
    FILE.write_text(reference(), encoding="utf-8")
