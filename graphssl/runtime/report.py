"""What a person sees of a run: a live bar on a terminal, a few plain lines elsewhere; nothing on other ranks."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

PLAIN_LINES = 12


class Report:
    """Progress of one training on standard error."""

    def __init__(self, first: int, steps: int, *, active: bool):
        self.first, self.steps, self.active = first, steps, active
        self.console = Console(stderr=True, highlight=False)
        self.live = active and self.console.is_terminal
        self.started = 0.0
        self.next_line = first
        self.knn: float | None = None
        self.bar = Progress(
            TextColumn("step"),
            MofNCompleteColumn(),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=self.console,
            disable=not self.live,
        )
        self.task = self.bar.add_task("", total=steps, completed=first)

    def __enter__(self) -> Report:
        self.bar.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.bar.stop()

    def begin(self) -> None:
        """The first step starts now."""
        self.started = time.perf_counter()

    def say(self, text: str) -> None:
        if self.active:
            self.bar.console.print(text, markup=False, soft_wrap=True) if self.live else print(
                text, file=sys.stderr, flush=True
            )

    def step(self, step: int, losses: Mapping[str, float], images_per_s: float) -> None:
        """Show the state after `step` steps."""
        if not self.active:
            return
        terms = "  ".join(f"{name} {value:.4f}" for name, value in losses.items())
        knn = f"  kNN {self.knn:.1%}" if self.knn is not None else ""
        text = f"{terms}  {images_per_s:.0f} images/s{knn}"
        self.bar.update(self.task, completed=step, description=text)
        if not self.live and (step >= self.next_line or step == self.steps):
            self.next_line = step + max(1, (self.steps - self.first) // PLAIN_LINES)
            self.say(f"step {step}/{self.steps}  {text}  {self._left(step)}")

    def _left(self, step: int) -> str:
        done = step - self.first
        if done < 2:  # the first step is slower than the others
            return ""
        seconds = (time.perf_counter() - self.started) / done * (self.steps - step)
        return f"{seconds / 60:.0f} min left" if seconds >= 90 else f"{seconds:.0f} s left"
