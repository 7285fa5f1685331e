"""Where the views of a run are made: on the host by its workers, or on the device where the step runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from graphssl.data.augment import Views
from graphssl.data.loader import TrainSteps
from graphssl.data.samples import Packed
from graphssl.data.workers import one_thread
from graphssl.runtime.stopwatch import between, device_clock

HOST, DEVICE, AUTO = "host", "device", "auto"
FEW = 16
"""Images of which the time on the host is taken."""


@dataclass(frozen=True)
class Placement:
    """where: HOST or DEVICE. why: in a few words."""

    where: str
    why: str


def placement(
    asked: str, facts: Mapping[str, Any] | None, accelerator: Accelerator, steps: TrainSteps, first: int, workers: int
) -> Placement:
    """Where all processes make their views: as asked for, else as before, else where it takes less time.

    On a CPU that is the host: another place would be the same cores, without the overlap. On any other device the main process
    makes the views of the first step in both places.

    Args:
        asked: HOST, DEVICE or AUTO. facts: of the checkpoint that the run goes on from.
        steps, first: whose views are made, and the number of the first step.
    """
    device, before = accelerator.device, (facts or {}).get("augment")
    if asked != AUTO:
        return Placement(asked, "as asked for")
    if before in (HOST, DEVICE):
        return Placement(before, "as before")
    if device.type == "cpu":
        return Placement(HOST, "the step runs there, too")
    mine = faster(steps, first, device, workers) if accelerator.is_main_process else None
    chosen: Placement = gather_object([mine])[0]
    return chosen


def faster(steps: TrainSteps, step: int, device: torch.device, workers: int) -> Placement:
    """The place where the views of a step are made in less time, the work on the host shared by the workers."""
    samples, *_ = steps.samples(step)
    makers = [make for make in steps.makers.values() if isinstance(make, Views)]
    few = replace(samples, images=samples.images[:FEW], indices=samples.indices[:FEW])
    with one_thread():
        host = _seconds(lambda: [make(few) for make in makers], torch.device("cpu"))
    host *= len(samples) / len(few) / max(workers, 1)
    packed = Packed.of(samples.images)

    def there() -> None:
        moved = replace(samples, images=packed.on(device))
        for make in makers:
            make(moved)

    try:
        seconds = _seconds(there, device)
    except torch.OutOfMemoryError:
        return Placement(HOST, f"there is no room for them on {device.type}")
    why = f"a batch takes {1000 * host:.1f} ms there, {1000 * seconds:.1f} ms on {device.type}"
    if host <= seconds:
        return Placement(HOST, why)
    return Placement(DEVICE, f"a batch takes {1000 * seconds:.1f} ms there, {1000 * host:.1f} ms on the host")


def _seconds(make: Callable[[], object], device: torch.device) -> float:
    """The least time of three, after one that starts things up."""
    make()
    now = device_clock(device)
    times = []
    for _ in range(3):
        start = now()
        make()
        times.append(between(start, now()))
    return min(times)
