"""Units of work on the machines of a Ray cluster, which share the folders that units read and write."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from graphssl.curate.engine import U, missing
from graphssl.progress import progress
from graphssl.runtime.errors import RunError

AT_ONCE = 1000
"""Tasks at most; more units are several to a task."""

RETRIES = 3
"""How often a unit is tried again whose process or machine died; Ray Data alone would try for ever."""


@dataclass(frozen=True)
class Ray:
    """Ray Data, on the cluster that `RAY_ADDRESS` or this machine knows; one of this machine's own where there is none.

    workers: units that are done at the same time; as many as there are processors where it is none.
    """

    workers: int | None = None

    def run(self, work: Callable[[U], None], units: Sequence[U], what: str) -> None:
        """See `graphssl.curate.engine.Engine`."""
        todo = missing(units)
        with progress(what, len(units)) as advance:
            advance(len(units) - len(todo))
            if not todo:
                return
            ray = _started()
            numbers = ray.data.from_items(
                [{"unit": n} for n in range(len(todo))], override_num_blocks=min(len(todo), AT_ONCE)
            )
            at_once = ray.data.TaskPoolStrategy(self.workers and min(self.workers, len(todo)))
            with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # Ray 2.64 ends `max_retries`
                done = numbers.map_batches(
                    partial(_done, work, todo), batch_size=1, num_cpus=1, compute=at_once, max_retries=RETRIES
                )
            try:
                for row in done.iter_rows():
                    if row["error"] is not None:
                        raise row["error"]
                    advance(1)
            except ray.exceptions.RayError as error:
                raise RunError(
                    f"{what}: Ray could not go on ({str(error).splitlines()[0]}); give the same command again to go on from here"
                ) from None


def _done(work: Callable[[U], None], units: Sequence[U], batch: dict[str, Any]) -> dict[str, Any]:
    """Do a unit; what it raises comes back as it is, which Ray would wrap."""
    result = np.empty(1, dtype=object)
    try:
        work(units[int(batch["unit"][0])])
    except Exception as error:
        result[0] = error
    return {"error": result}


def _started() -> Any:
    """`ray`, connected."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to Ray's makers unless the user says so
    try:
        import ray
        import ray.data
    except ImportError:
        raise RunError("`--engine ray` needs Ray: pip install 'graphssl[ray]'") from None
    if not ray.is_initialized():
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what went wrong is told once, by us
    return ray
