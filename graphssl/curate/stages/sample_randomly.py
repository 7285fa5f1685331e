"""A random choice, to compare with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphssl.curate.stage import POOL, Choose, Given, Result, Work
from graphssl.language.fields import integer


class SampleRandomly(Choose):
    """So many images of the pool, each as likely as another: what a curated set is to be compared with."""

    name = "sample_randomly"
    main = "pool"
    pool = POOL
    images = integer(doc="How many images to choose.")
    seed = integer(0, "Chooses them.", minimum=0)

    @classmethod
    def run(cls, work: Work, attrs: Mapping[str, Any], given: Given) -> Result:
        import numpy as np

        from graphssl.curate.neighbours import together
        from graphssl.curate.sets import nothing
        from graphssl.data.philox import key_of, permutation

        pool = together(given["pool"])
        chosen = np.zeros(len(pool), dtype=np.bool_)
        chosen[permutation(key_of("sample", attrs["seed"]), 0, len(pool))[: attrs["images"]]] = True
        kept = pool.where(chosen)
        return Result(kept, nothing(), f"{len(kept):,} of {len(pool):,} drawn at random")
