"""A stage of one's own, as a module that `--plugin` names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphssl.curate.neighbours import together
from graphssl.curate.sets import nothing
from graphssl.curate.stage import POOL, Choose, Given, Result, Work
from graphssl.language.fields import integer


class EveryNth(Choose):
    """Every n-th image of the pool."""

    name = "every_nth"
    main = "pool"
    pool = POOL
    n = integer(doc="Which.", minimum=2)

    @classmethod
    def run(cls, work: Work, attrs: Mapping[str, Any], given: Given) -> Result:
        pool = together(given["pool"])
        return Result(pool.where(np.arange(0, len(pool), attrs["n"])), nothing(), f"every {attrs['n']}th")


STAGES = [EveryNth]
