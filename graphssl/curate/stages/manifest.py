"""What a curation is for: the list of images to train on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphssl.curate.stage import Given, Result, Stage, Work
from graphssl.ir.signature import Input


class Manifest(Stage):
    """The images of all these sets, each once, in a file that `--data manifest:FILE` trains on.

    An image that several sets hold is listed with the reason of the first; the same file in two data sets is one image.
    """

    name = "manifest"
    kind = "manifest"
    main = "sets"
    sets = Input("images", "the sets to train on", takes_list=True)

    @classmethod
    def run(cls, work: Work, attrs: Mapping[str, Any], given: Given) -> Result:
        from graphssl.curate.manifest import write_manifest
        from graphssl.curate.sets import nothing

        kept, counts = write_manifest(work.manifest, work.images, given["sets"])
        words = ", ".join(f"{count:,} of {name}" for name, count in counts.items())
        return Result(kept, nothing(), words, {"by_stage": counts})
