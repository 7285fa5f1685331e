"""What ends a run that had begun, in one sentence: what happened, and what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from graphssl.data.errors import DataError
from graphssl.runtime.errors import RunError, Stopped
from graphssl.runtime.folder import RunFolder
from graphssl.runtime.regions import why_not_compiled


@contextmanager
def told(folder: RunFolder) -> Iterator[None]:
    """Raise what goes wrong within as Stopped; what is a bug of ours stays as it is."""
    try:
        with memory_lasts():
            yield
    except (RunError, DataError) as error:
        raise Stopped(f"{error}; {kept(folder)}") from None


@contextmanager
def memory_lasts() -> Iterator[None]:
    """Say what to do when memory runs out within, or torch cannot compile."""
    try:
        yield
    except torch.OutOfMemoryError:
        advice = "use a smaller train.batch_size or more micro-batches (train.accumulate)"
        raise RunError(f"the device is out of memory: {advice}") from None
    except MemoryError:
        raise RunError("out of memory: use a smaller --cache-gb or fewer --workers") from None
    except Exception as error:
        if reason := why_not_compiled(error):
            raise RunError(reason) from None
        raise


def kept(folder: RunFolder) -> str:
    """What there is to go on from."""
    latest = folder.latest_checkpoint()
    if latest is None:
        return "there is no checkpoint yet"
    return f"step {int(latest.name.removeprefix('step-'))} is saved: continue with the same command and --resume"
