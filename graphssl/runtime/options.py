"""How a run is run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """How a run is run; what is learned is in the method."""

    data: str
    out: str
    steps: int | None = None
    resume: bool = False
    allow_changed: bool = False
    device: str | None = None
    workers: int | None = None
    log_every: int = 10
    eval_every: float | None = None
    eval_samples: int = 5_000
    checkpoint_every: float | None = None
    keep_checkpoints: int = 2
    measure_every: int | None = None  # steps; None: about 200 times a run, 0: never
    verify_every: int | None = None  # steps; None: at checkpoints only
    max_bad: float = 0.01
    max_skipped: int = 10  # steps in a row whose loss or gradient is not finite
    augment: str = "auto"  # host, device, or auto: where that takes less time
    cache: str = "ram"  # ram, disk or none: where decoded images are kept
    cache_gb: float = 4.0  # of memory
    cache_dir: str | None = None  # None: the user's cache folder
    log_with: str | None = None
    compile: bool = False  # blocks by torch.compile
    tf32: bool = True  # products in fp32, on a GPU
