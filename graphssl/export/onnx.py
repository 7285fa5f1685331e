"""`--format onnx`: a graph of ONNX, any number of images, checked by onnxruntime against torch before it gets its name."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import torch

from graphssl.export.program import exported
from graphssl.export.source import Source
from graphssl.runtime.errors import RunError

TOLERANCE = 1e-4
"""Greatest difference of a feature that is accepted."""


def write(source: Source, folder: Path, name: str) -> list[str]:
    """The graph as `name` (.onnx) into a folder: input `images`, float32 (b 3 h w), normalised; output `features`. What to tell.

    Raises:
        RunError: ONNX's packages are missing, or onnxruntime computes something else.
    """
    missing = [each for each in ("onnx", "onnxruntime", "onnxscript") if importlib.util.find_spec(each) is None]
    if missing:
        raise RunError(f"--format onnx needs {', '.join(missing)}: pip install graphssl[onnx]")
    import onnxruntime  # type: ignore[import-untyped]

    file = folder / name
    if file.suffix != ".onnx":
        raise RunError(f"an ONNX file is called .onnx: write for example -o {file.stem}.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what torch's exporter itself uses
        torch.onnx.export(
            exported(source), (), file, input_names=["images"], output_names=["features"], dynamo=True, external_data=False,
            verbose=False,
        )  # fmt: skip
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    difference = 0.0
    for count in (1, 3):
        images = source.images(count)
        with torch.no_grad():
            expected = source.encoder(images).numpy()
        [given] = session.run(["features"], {"images": images.numpy()})
        difference = max(difference, float(np.abs(given - expected).max()))
    if not difference <= TOLERANCE:
        raise RunError(
            f"onnxruntime differs from torch by up to {difference:.3g}, more than {TOLERANCE:g}: nothing was written"
        )
    return [
        f"`{source.graph.represent}` of normalised float32 images (b 3 h w), greatest difference to torch {difference:.2g}"
    ]
