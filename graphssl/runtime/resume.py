"""What a run goes on from: nothing, or a checkpoint of the same method on the same data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from graphssl.language.diagnostics import GraphError
from graphssl.pipeline import Method, load
from graphssl.runtime import checkpoint
from graphssl.runtime.errors import RunError
from graphssl.runtime.folder import RunFolder
from graphssl.runtime.optim import Optimizers
from graphssl.runtime.options import Options
from graphssl.views.diff import diff, text

MOST_LINES = 20


@dataclass(frozen=True)
class Origin:
    """Where a run starts. path, facts: its checkpoint. begun: the folder is a run already. changed: of another method."""

    path: Path | None = None
    facts: dict[str, Any] | None = None
    begun: bool = False
    changed: bool = False

    @property
    def step(self) -> int:
        """Optimizer steps that are done."""
        return int(self.facts["step"]) if self.facts else 0


def origin(
    folder: RunFolder, method: Method, options: Options, accelerator: Accelerator, *, steps: int, samples: int
) -> Origin:
    """What the folder gives a run of `steps` steps on `samples` images to start from; refuses another run. Writes nothing."""
    if not (options.resume and folder.exists()):
        folder.require_empty()
        found = Origin()
    else:
        path = folder.latest_checkpoint()
        facts = checkpoint.read_facts(path) if path else None
        done = int(facts["step"]) if facts else 0
        if done > steps or (done == steps and folder.summary().get("steps") == done):
            more = "give more --epochs or --steps, and --allow-changed, to go on"
            raise RunError(f"`{folder.path}` is finished ({done} steps): {more}")
        lines = _changes_of_method(folder, method)
        changes = [*lines, *_changes_of_run(facts or {}, total_steps=steps, samples=samples)]
        if changes and not options.allow_changed:
            what = "give the same METHOD, --set, --epochs, --steps and --data as before"
            allow = "or --allow-changed to go on with what is different"
            raise RunError("\n".join([f"this is not the run in `{folder.path}`: {what}, {allow}", *changes]))
        found = Origin(path, facts, begun=True, changed=bool(lines))
    _same_everywhere(found.step, folder, accelerator)
    return found


def _changes_of_method(folder: RunFolder, method: Method) -> list[str]:
    """What is different from the method in the folder; its words may be."""
    saved = load(str(folder.method_file), plugins=method.plugins)
    try:
        if saved.fingerprint == method.fingerprint:
            return []
    except GraphError as error:
        raise RunError(f"`{folder.method_file}` cannot be read any more: {error.findings[0].message}") from None
    lines = [line for line in text(diff(saved, method)).splitlines()[3:] if line]  # without title and sentence
    more = len(lines) - MOST_LINES
    return [*lines[:MOST_LINES], *([f"  … {more} more: graphssl diff {folder.method_file} METHOD"] if more > 0 else [])]


def _changes_of_run(facts: Mapping[str, Any], **now: int) -> list[str]:
    names = {"total_steps": "steps in all", "samples": "images of --data"}
    return [f"  ~ {names[key]}  {facts[key]} → {value}" for key, value in now.items() if facts.get(key, value) != value]


def _same_everywhere(step: int, folder: RunFolder, accelerator: Accelerator) -> None:
    """Refuse to start where machines do not see the same folder."""
    if accelerator.num_processes > 1:
        steps = accelerator.gather(torch.tensor([step], device=accelerator.device)).tolist()
        if len(set(steps)) > 1:
            seen = f"process 0 sees step {steps[0]} in `{folder.path}`, another step {next(s for s in steps if s != steps[0])}"
            raise RunError(f"{seen}: put the run folder where all machines see it")


def claim(folder: RunFolder, start: Origin, method: Method, keep: int) -> None:
    """Make the folder ready for the steps from `start` on; by the main process. keep: newest checkpoints that stay."""
    folder.clean()
    if not start.begun:
        folder.begin(method.text())
    else:
        if start.changed:
            folder.change(method.text(), start.step)
        folder.forget_metrics_from(start.step if start.facts else -1)
        checkpoint.prune(folder.checkpoints, keep)


def put_back(start: Origin, module: nn.Module, optimizers: Optimizers) -> None:
    """The tensors of the checkpoint."""
    if start.path and start.facts:
        checkpoint.load_module(start.path, module)
        checkpoint.load_optimizers(start.path, optimizers.all(), start.facts)
