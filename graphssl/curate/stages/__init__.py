"""The stages of a curation: every box its graph may hold. One file each; this table is the list of contents."""

from __future__ import annotations

from functools import cache

from graphssl.curate.stage import Stage
from graphssl.curate.stages.images import Images
from graphssl.curate.stages.manifest import Manifest
from graphssl.curate.stages.relative_deduplicate import RelativeDeduplicate
from graphssl.curate.stages.retrieve_clusters import RetrieveClusters
from graphssl.curate.stages.retrieve_samples import RetrieveSamples
from graphssl.curate.stages.sample_hierarchy import SampleHierarchy
from graphssl.curate.stages.sample_randomly import SampleRandomly
from graphssl.curate.stages.self_deduplicate import SelfDeduplicate
from graphssl.ir.plugins import plugged

STAGES: tuple[type[Stage], ...] = (
    Images,
    SelfDeduplicate,
    RelativeDeduplicate,
    RetrieveSamples,
    RetrieveClusters,
    SampleHierarchy,
    SampleRandomly,
    Manifest,
)


@cache
def stages(plugins: tuple[str, ...] = ()) -> dict[str, type[Stage]]:
    """Every stage by name: ours, and those of the modules named in `plugins`, which list them in `STAGES`."""
    return {stage.name: stage for stage in STAGES} | plugged(plugins, "STAGES", "stages")
