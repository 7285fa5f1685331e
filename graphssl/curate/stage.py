"""What the ops of a curation share: they take sets of images and give one. The signatures never import numpy or torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphssl.ir.signature import Input, Op, Output
from graphssl.language.fields import choice, flag, integer, text

if TYPE_CHECKING:
    from graphssl.curate.catalogue import Catalogue
    from graphssl.curate.engine import Engine
    from graphssl.curate.sets import ImageSet
    from graphssl.curate.vectors import Vectors

Given = Mapping[str, Sequence[tuple[str, "ImageSet"]]]
"""By input port, the sets that arrive there, each with the name of the node it comes from."""


@dataclass(frozen=True)
class Work:
    """What a stage works with.

    engine: computes units of work, here or elsewhere. images: where images lie. vectors: the rows (n d) of a set by an encoder, in
    the order of its ids. scratch: a folder for intermediate results of a name that depend on these facts; what lies there is used again.
    manifest: the file that lists the images to train on.
    """

    engine: Engine
    images: Catalogue
    vectors: Callable[[ImageSet, str], Vectors]
    scratch: Callable[..., Path]
    manifest: Path


@dataclass(frozen=True)
class Result:
    """What a stage gives: the images it keeps, those it drops (each with what it is like), and what it says of them.

    facts: numbers for the summary. words: one line for people. spared: of a stage with a threshold, the images it keeps with what each
    is most like.
    """

    kept: ImageSet
    dropped: ImageSet
    words: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    spared: ImageSet | None = None


class Stage(Op):
    """Base of all stages; a subclass declares inputs and attributes, documents itself, and does its work in `run`.

    main: the input whose images it passes on when it is skipped; none: it then gives no images.
    """

    kind = "stage"
    main: str | None = None
    kept = Output("images", "the images it keeps")

    @classmethod
    def run(cls, work: Work, attrs: Mapping[str, Any], given: Given) -> Result:
        raise NotImplementedError(cls.name)


class Choose(Stage):
    """Base of the stages that choose among images."""

    skip = flag(False, role="wiring", doc="Leave the stage out: what it would choose from passes through.")


class Compare(Choose):
    """Base of the stages that compare images by an encoder."""

    encoder = text(
        doc="Whose features are compared: the folder of a run. Rows are l2-normalised; similarity is their cosine.",
    )


class Search(Compare):
    """Base of the stages that look for nearest neighbours."""

    index = choice(
        "auto",
        "flat",
        "ivf_flat",
        "ivf_pq",
        default="auto",
        doc="How Faiss looks for neighbours: at every pair (`flat`), or in the lists of an inverted file that are nearest, at the features "
        "(`ivf_flat`) or at codes of them (`ivf_pq`); `auto` is `flat` up to 4·10^10 pairs, and `ivf_pq` above.",
    )
    probes = integer(None, "Lists of an inverted file that are looked into; more find more, in more time. Default: 32.")
    candidates = integer(
        None,
        "Images that an index proposes for each image, whose similarity is then computed exactly. Default: twice the neighbours, 144 at least.",
    )


POOL = Input("images", "the images to choose from", takes_list=True)
