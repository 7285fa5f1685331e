"""What `from:` names: a finished run, a method that stands in for one, or a file of weights. Reads files; never imports torch."""

from __future__ import annotations

import json
import operator
import os
import re
from collections.abc import Collection
from collections.abc import Mapping as ABCMapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from graphssl.bundled import method_files
from graphssl.language.diagnostics import Finding, Span, did_you_mean
from graphssl.language.fields import Report
from graphssl.language.limits import MAX_WORD
from graphssl.plainfile import open_plain

_PLACE = re.compile(r"(?P<place>.+):(?P<node>[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)?)")

WEIGHT_FILES = (".pth", ".pt", ".ckpt", ".bin", ".tar", ".safetensors")
"""How the names of checkpoints end that others release (MoCo's are `.pth.tar`)."""

_MAX_HEADER = 4 * 2**20
"""Bytes, for tens of thousands of tensors."""

Shapes = ABCMapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Origin:
    """Where a node's weights come from.

    place: as written, a run folder, a method, or a file of weights. node: the node there; of a file, one of its networks, or nothing.
    checkpoint: the run's latest; None for a method, which has the structure but no weights: it can be checked and drawn,
    not trained. file: the file.
    """

    place: str
    node: str
    checkpoint: Path | None
    file: Path | None = None

    @property
    def reference(self) -> str:
        """What `resolve` takes: the run's method, or the method itself."""
        return str(Path(self.place) / "method.yaml") if self.checkpoint else self.place

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the node's saved tensors by name; empty when the run has no such node."""
        prefix = f"{self.node.replace('/', '_')}."
        saved = saved_shapes(self.checkpoint) if self.checkpoint else {}
        return {name.removeprefix(prefix): shape for name, shape in saved.items() if name.startswith(prefix)}


def read_origin(text: str, node: str, span: Span, report: Report) -> Origin | None:
    """The origin that `RUN`, `RUN:NODE`, `FILE` or `FILE:NETWORK` means for `node`; what is wrong is reported."""
    match = None if os.path.exists(text) else _PLACE.fullmatch(text)
    place, name = (match["place"], match["node"]) if match else (text, node)
    if place.endswith(WEIGHT_FILES) and not os.path.isdir(place):
        if os.path.isfile(place):
            return Origin(place, match["node"] if match else "", None, Path(place))
        message, help = (
            f"the file `{place[:MAX_WORD]}` does not exist",
            "name a checkpoint that lies here; nothing is fetched",
        )
        report(Finding("no-such-run", message, span, node=node, help=help))
        return None
    if os.path.isfile(Path(place) / "method.yaml"):
        checkpoint = latest_checkpoint(Path(place))
        if checkpoint is None:
            message, help = f"the run `{place}` has no checkpoint yet", "wait for its first one, or name another run"
            report(Finding("no-such-run", message, span, node=node, help=help))
            return None
        return Origin(place, name, checkpoint)
    if place.partition("@")[0] in method_files() or (place.endswith((".yaml", ".yml")) and os.path.isfile(place)):
        return Origin(place, name, None)
    near = _runs_in(Path(place).parent)
    what = "is no run folder (it has no method.yaml)" if os.path.isdir(place) else "does not exist"
    help = did_you_mean(place, near) if near else "name the folder that `graphssl train … --out RUN` wrote"
    report(Finding("no-such-run", f"the run `{place[:MAX_WORD]}` {what}", span, node=node, help=help))
    return None


def _runs_in(folder: Path) -> list[str]:
    """Run folders among the first entries of a folder."""
    try:
        with os.scandir(folder) as entries:
            paths = [Path(entry.path) for entry in islice(entries, 200)]
    except (OSError, ValueError):
        return []
    return [str(path) for path in paths if os.path.isfile(path / "method.yaml")]


def latest_checkpoint(run: Path) -> Path | None:
    """The checkpoint of the highest step that has weights."""
    found = sorted(run.glob("checkpoints/step-*/model.safetensors"))
    return found[-1].parent if found else None


def saved_shapes(checkpoint: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of all saved tensors by name, from the header of the safetensors file; nothing where it is none."""
    try:
        with open_plain(checkpoint / "model.safetensors") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(size)) if size <= _MAX_HEADER else {}
        shapes = {name: facts["shape"] for name, facts in header.items() if name != "__metadata__"}
        return {name: tuple(map(operator.index, shape)) for name, shape in shapes.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def difference(mine: Shapes, theirs: Shapes, *, part: bool = False, spare: Collection[str] = ()) -> str | None:
    """The first way in which weights do not fit, in words; `part`: we need only a part of theirs, not those in `spare`."""
    for name, shape in mine.items():
        if name not in theirs:
            return f"needs `{name}`, which is not there"
        if theirs[name] != shape:
            return f"has `{name}` of shape {_shown(shape)}, there it is {_shown(theirs[name])}"
    extra = [] if part else [name for name in theirs if name not in mine and name not in spare]
    return f"has no `{extra[0]}`, which is there" if extra else None


def _shown(shape: tuple[int, ...]) -> str:
    return f"({' '.join(map(str, shape))})"
