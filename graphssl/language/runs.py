"""What `from:` names: a finished run, or a method that stands in for one. Reads files; never imports torch."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from collections.abc import Mapping as ABCMapping
from dataclasses import dataclass
from pathlib import Path

from graphssl.bundled import method_files
from graphssl.language.diagnostics import Finding, Span, did_you_mean
from graphssl.language.fields import Report

_PLACE = re.compile(r"(?P<place>.+):(?P<node>[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)?)")

Shapes = ABCMapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Origin:
    """Where a node's weights come from.

    place: as written, a run folder or a method. node: the node there. checkpoint: the run's latest; None for a method,
    which has the structure but no weights: it can be checked and drawn, not trained.
    """

    place: str
    node: str
    checkpoint: Path | None

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
    """The origin that `RUN` or `RUN:NODE` means for `node`; what is wrong is reported."""
    match = None if Path(text).exists() else _PLACE.fullmatch(text)
    place, name = (match["place"], match["node"]) if match else (text, node)
    if (Path(place) / "method.yaml").is_file():
        checkpoint = latest_checkpoint(Path(place))
        if checkpoint is None:
            message, help = f"the run `{place}` has no checkpoint yet", "wait for its first one, or name another run"
            report(Finding("no-such-run", message, span, node=node, help=help))
            return None
        return Origin(place, name, checkpoint)
    if place.partition("@")[0] in method_files() or (place.endswith((".yaml", ".yml")) and Path(place).is_file()):
        return Origin(place, name, None)
    near = [str(path) for path in sorted(Path(place).parent.glob("*")) if (path / "method.yaml").is_file()]
    what = "is no run folder (it has no method.yaml)" if Path(place).is_dir() else "does not exist"
    help = did_you_mean(place, near) if near else "name the folder that `graphssl train … --out RUN` wrote"
    report(Finding("no-such-run", f"the run `{place}` {what}", span, node=node, help=help))
    return None


def latest_checkpoint(run: Path) -> Path | None:
    """The checkpoint of the highest step that has weights."""
    found = sorted(run.glob("checkpoints/step-*/model.safetensors"))
    return found[-1].parent if found else None


def saved_shapes(checkpoint: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of all saved tensors by name, from the header of the safetensors file."""
    try:
        with (checkpoint / "model.safetensors").open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(size, 100_000_000)))
        return {name: tuple(facts["shape"]) for name, facts in header.items() if name != "__metadata__"}
    except (OSError, ValueError, KeyError, TypeError):
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
