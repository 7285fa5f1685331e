"""The formats, and exporting to one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from graphssl.export import authors, hub, onnx, program, timm, torchvision
from graphssl.export.source import Source, open_source
from graphssl.export.staging import staged

Format = Callable[[Source, Path, str], list[str]]
"""`write(source, folder, name)`: write `name`, and what belongs beside it, into a folder; what to tell."""

FORMATS: Mapping[str, Format] = {
    "timm": timm.write,
    "safetensors": hub.write,
    "onnx": onnx.write,
    "torch": program.write,
    "torchvision": torchvision.write,
    **authors.FORMATS,
}


def export(
    run: str | Path, out: str | Path, format: str, *, force: bool = False, plugins: Sequence[str] = ()
) -> list[str]:
    """Write the encoder of a run as `out`, checked before it gets its name; what to tell.

    Raises:
        RunError: no run, a format that cannot hold this encoder, something is there and not `force`, or the disk refuses.
    """
    out = Path(out)
    with staged(out, force=force) as folder:
        return FORMATS[format](open_source(run, plugins), folder, out.name)
