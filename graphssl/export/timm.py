"""`--format timm`: a file that `timm.create_model(…, checkpoint_path=FILE)` loads, and beside it a note with that call."""

from __future__ import annotations

import json
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file

from graphssl.export.plain import Plain, plain
from graphssl.export.source import Source
from graphssl.runtime.errors import RunError

SUFFIXES = (".pth", ".pt", ".safetensors")


def write(source: Source, folder: Path, name: str) -> list[str]:
    """The weights as `name` (.pth or .safetensors) and `name.md` into a folder; what to tell.

    Features of the model that timm makes of it are the run's to the bit, which is checked. RunError where they are not.
    """
    file, encoder = folder / name, plain(source)
    if file.suffix not in SUFFIXES:
        raise RunError(f"timm reads files called {', '.join(SUFFIXES)}: write for example -o {file.stem}.pth")
    if file.suffix == ".safetensors":
        save_file(encoder.state, file)
    else:
        torch.save(encoder.state, file)
    model = encoder.build()
    timm.models.load_checkpoint(model, str(file))  # type: ignore[attr-defined]
    encoder.require_same(model)
    (folder / f"{name}.md").write_text(_note(encoder, name))
    return [f"{len(encoder.state)} tensors of {encoder.arch}, features equal to the bit", *encoder.remarks()]


def _note(encoder: Plain, name: str) -> str:
    source = encoder.source
    lines = [
        f"# {name}",
        "",
        f"`{encoder.arch}` pre-trained with `{source.graph.name}`: {source.graph.title}.",
        "",
        "```python",
        encoder.code(name),
        "```",
        "",
        *(f"- {remark[0].upper()}{remark[1:]}." for remark in encoder.remarks()),
        *([""] if encoder.remarks() else []),
        "Images as the run was evaluated, in the words of `timm.data.create_transform`:",
        "",
        "```json",
        json.dumps(source.preprocessing),
        "```",
        "",
    ]
    return "\n".join(lines)
