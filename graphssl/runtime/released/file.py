"""Reading a checkpoint that others released: tensors by name, nothing that executes."""

from __future__ import annotations

import argparse
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from graphssl.language.diagnostics import first_line
from graphssl.plainfile import open_plain
from graphssl.runtime.errors import RunError

MAX_PICKLE = 64 * 2**20
"""Bytes of what describes the tensors of a .pth file."""

_DEPTH = 4
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")


def read_file(file: Path, *, shapes: bool = False) -> dict[str, Tensor]:
    """Its tensors; those of nested dictionaries as `teacher.backbone.cls_token`. Whatever is no tensor is passed over.

    shapes: on the meta device, without reading their values.

    Raises:
        RunError: it is no such file, is cut short, or holds objects that only code could make.
    """
    try:
        with open_plain(file) as opened:
            begin = opened.read(4)
        if file.suffix == ".safetensors":
            return _safetensors(file, shapes)
        if begin.startswith(b"PK"):
            _require_whole(file)
        with (
            torch.serialization.safe_globals([argparse.Namespace]),
            warnings.catch_warnings(),
        ):  # DINO's and iBOT's arguments
            warnings.simplefilter("ignore")  # of a pickle that is none of torch's
            found = torch.load(
                file,
                map_location="meta" if shapes else "cpu",
                weights_only=True,
                mmap=begin.startswith(b"PK") or None,
            )
    except pickle.UnpicklingError as error:
        raise RunError(_refused(file, str(error))) from None
    except (OSError, SafetensorError, zipfile.BadZipFile, EOFError, ValueError, TypeError, KeyError, IndexError,
            AttributeError, RuntimeError, OverflowError) as error:  # fmt: skip
        raise RunError(f"cannot read `{file}`: {first_line(error)}") from None
    tensors = dict(_flat(found))
    if not tensors:
        raise RunError(f"`{file}` holds no tensors by name")
    return tensors


def _safetensors(file: Path, shapes: bool) -> dict[str, Tensor]:
    with safe_open(file, framework="pt") as opened:
        if not shapes:
            return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        return {name: torch.empty(opened.get_slice(name).get_shape(), device="meta") for name in opened.keys()}  # noqa: SIM118


def _require_whole(file: Path) -> None:
    """Refuse an archive without its end, and one whose description would fill the memory."""
    if not zipfile.is_zipfile(file):
        raise ValueError(f"it is cut short at {file.stat().st_size:,} bytes: get it again")
    with zipfile.ZipFile(file) as archive:
        described = sum(each.file_size for each in archive.infolist() if each.filename.endswith(".pkl"))
    if described > MAX_PICKLE:
        raise ValueError(f"what describes its tensors is longer than {MAX_PICKLE >> 20} MiB")


def _refused(file: Path, message: str) -> str:
    name = _GLOBAL.search(message)
    if name is None:
        return f"cannot read `{file}`: it is no checkpoint of PyTorch, or it is cut short"
    return (
        f"`{file}` holds a Python object (`{name[1]}`), and what could execute code is not loaded: if you trust the file, "
        "save its tensors alone with `torch.save(torch.load(FILE, weights_only=False)['state_dict'], NEW)`"
    )


def _flat(found: Any, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    if not isinstance(found, Mapping) or depth == _DEPTH:
        return
    for name, value in found.items():
        if isinstance(name, str):  # an optimizer's state is numbered
            if isinstance(value, Tensor):
                yield prefix + name, value
            else:
                yield from _flat(value, f"{prefix}{name}.", depth + 1)
