"""`--format torch`: a program of `torch.export` (.pt2), which runs without graphssl or timm; any number of images."""

from __future__ import annotations

from pathlib import Path

import torch

from graphssl.export.source import Source
from graphssl.runtime.errors import RunError


def exported(source: Source) -> torch.export.ExportedProgram:
    """What `represent` computes of normalised images (b 3 h w), traced; b is free from 1 on."""
    batch = torch.export.Dim("batch", min=1)
    return torch.export.export(source.encoder.eval(), (source.images(),), dynamic_shapes=({0: batch},))


def write(source: Source, folder: Path, name: str) -> list[str]:
    """The program as `name` (.pt2) into a folder, loaded again and compared with the encoder; what to tell."""
    file = folder / name
    if file.suffix != ".pt2":
        raise RunError(f"torch.export writes files called .pt2: write for example -o {file.stem}.pt2")
    torch.export.save(exported(source), file)
    program, images = torch.export.load(file).module(), source.images(3)
    with torch.no_grad():
        difference = float((program(images) - source.encoder(images)).abs().max())
    if difference > 1e-5:
        raise RunError(f"the exported program differs from the encoder by up to {difference:.3g}: nothing was written")
    return [f"`{source.graph.represent}` of normalised images (b 3 h w), greatest difference {difference:.2g}"]
