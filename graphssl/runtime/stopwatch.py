"""How long each module of a forward takes, by hooks that are there for one forward only."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn


class Stopwatch:
    """Within `with`, the time between the first and the last line of every outermost call of a module's parts is added up.

    Parts are watched, not only the module, since an encoder may be called part by part. CUDA is timed with events, the CPU with
    its clock, other devices not at all. Time outside all parts (losses, poolings) belongs to no module.
    """

    def __init__(self, modules: Mapping[str, nn.Module], device: torch.device):
        self.modules = modules
        self.marks: dict[str, list[tuple[Any, Any]]] = {}
        self.depth = dict.fromkeys(modules, 0)
        self.begun: dict[str, Any] = {}
        self.handles: list[Any] = []
        self.now = clock(device)

    def __enter__(self) -> Stopwatch:
        if self.now:
            for name, module in self.modules.items():
                for part in module.modules():
                    self.handles.append(part.register_forward_pre_hook(self._enter(name)))
                    self.handles.append(part.register_forward_hook(self._leave(name)))
            self.start = self.now()
        return self

    def __exit__(self, *_: Any) -> None:
        if self.now:
            self.end = self.now()
        for handle in self.handles:
            handle.remove()

    def _enter(self, name: str) -> Callable[..., None]:
        def enter(*_: Any) -> None:
            if self.depth[name] == 0:
                self.begun[name] = self.now()  # type: ignore[misc]
            self.depth[name] += 1

        return enter

    def _leave(self, name: str) -> Callable[..., None]:
        def leave(*_: Any) -> None:
            self.depth[name] -= 1
            if self.depth[name] == 0:
                self.marks.setdefault(name, []).append((self.begun[name], self.now()))  # type: ignore[misc]

        return leave

    def shares(self) -> dict[str, float]:
        """Each module's share of the forward's time, between 0 and 1; waits for the device."""
        if not self.now:
            return {}
        whole = between(self.start, self.end)
        return {name: sum(between(*mark) for mark in marks) / whole for name, marks in self.marks.items() if whole > 0}


def clock(device: torch.device) -> Callable[[], Any] | None:
    """What marks a moment of the device's work, without waiting for it; nothing where there is no such clock."""
    return {"cpu": time.perf_counter, "cuda": _event}.get(device.type)


def device_clock(device: torch.device) -> Callable[[], Any]:
    """The same for every device: where there is no clock, the work is waited for at each moment."""
    return clock(device) or _after_waiting


def _after_waiting() -> float:
    torch.accelerator.synchronize()
    return time.perf_counter()


def _event() -> Any:
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def between(start: Any, end: Any) -> float:
    """Seconds between two moments that `clock` marked; waits for the second."""
    if isinstance(start, float):
        return float(end - start)
    end.synchronize()
    return float(start.elapsed_time(end)) / 1000
