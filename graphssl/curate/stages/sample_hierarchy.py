"""A balanced choice without any curated set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphssl.curate.stage import POOL, Compare, Given, Result, Work
from graphssl.language.fields import integer, widths


class SampleHierarchy(Compare):
    """As many images from each concept of the pool as it can give: hierarchical k-means, then balanced sampling down the tree.

    arXiv:2405.15613 (Vo et al. 2024), algorithms 1 and 2.
    """

    name = "sample_hierarchy"
    main = "pool"
    pool = POOL
    levels = widths([1000, 100, 10], "Number of clusters of each level, from the finest to the coarsest.")
    images = integer(doc="How many images to choose; the cluster of each in the manifest is that of the finest level.")
    resampling_steps = integer(
        10, "How often each level is clustered again on a sample of its own clusters; 0: plain k-means.", minimum=0
    )
    resampled = integer(5, "Images or centres nearest to each centre that such a sample takes.")
    iterations = integer(20, "Steps of each k-means.")
    seed = integer(0, "Chooses the first centres and the draw.", minimum=0)

    @classmethod
    def run(cls, work: Work, attrs: Mapping[str, Any], given: Given) -> Result:
        from graphssl.curate.hierarchy import hierarchy, sample_hierarchy
        from graphssl.curate.neighbours import rows_of, together
        from graphssl.curate.sets import ImageSet, nothing

        pool = together(given["pool"])
        [rows], names = rows_of(work, attrs, pool)
        settings = {name: attrs[name] for name in ("levels", "resampling_steps", "resampled", "iterations", "seed")}
        tree = hierarchy(work.engine, work.scratch("tree", *names, settings), rows, **settings)
        found = sample_hierarchy(tree, attrs["images"], attrs["seed"])
        kept = ImageSet.of(pool.ids[found.rows], cluster=found.clusters[:, 0])
        groups = [len(set(found.clusters[:, level].tolist())) for level in range(len(attrs["levels"]))]
        of = ", ".join(f"{some:,} of {all_:,}" for some, all_ in zip(groups, attrs["levels"], strict=True))
        words = f"{len(kept):,} of {len(pool):,}, out of {of} clusters by level"
        return Result(kept, nothing(), words, {"clusters": groups})
