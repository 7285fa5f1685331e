"""Where images of a curation come from."""

from __future__ import annotations

from graphssl.curate.stage import Stage
from graphssl.language.fields import choice, text


class Images(Stage):
    """The images of a data set: a pool, a curated set, or a benchmark.

    They are put in the order of their places, and embedded by the encoders of the stages that take them; those that cannot
    be decoded are left out and counted.
    """

    name = "images"
    kind = "source"
    data = text(doc="What `--data` takes: a folder, an archive, `wds:PATTERN`, `hf:NAME`, `manifest:FILE`.")
    split = choice("train", "test", default="train", doc="Which images, where the data set has both.")
