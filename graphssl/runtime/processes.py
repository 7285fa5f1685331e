"""What processes that a launcher started agree by, where no gradient is exchanged. Training has Accelerate for that."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from graphssl.data.errors import DataError
from graphssl.runtime.errors import RunError

FromFirst = Callable[[Callable[[], Any]], Any]
"""Waits for all processes, then calls a function on the first; all get what it gives, or end when it refuses."""


@contextmanager
def processes() -> Iterator[tuple[int, int, FromFirst]]:
    """Rank and number of the processes that a launcher started, and what they agree by."""
    rank, ranks = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if ranks == 1:
        yield 0, 1, lambda function: function()
        return
    dist.init_process_group("gloo", timeout=timedelta(days=30))  # the slowest may have this much more to do

    def from_first(function: Callable[[], Any]) -> Any:
        dist.barrier()
        try:
            found = [function() if rank == 0 else None, None]
        except (RunError, DataError) as error:
            dist.broadcast_object_list([None, str(error)])
            raise
        dist.broadcast_object_list(found)
        if found[1]:
            raise SystemExit(RunError.code)  # the first process says why
        return found[0]

    try:
        yield rank, ranks, from_first
    finally:
        dist.destroy_process_group()


def own_device(device: str | None) -> str | None:
    """The CUDA device of this process among those of its machine."""
    cuda = device == "cuda" or (device is None and torch.cuda.is_available())
    return f"cuda:{os.environ['LOCAL_RANK']}" if cuda and "LOCAL_RANK" in os.environ else device
