"""Links: another call of a module that stands elsewhere in the graph."""

from __future__ import annotations

from graphssl.ir.signature import Link
from graphssl.language.fields import choice, flag, scheduled, text


class Share(Link):
    """Calls the module `of` again: the same weights, trained through both calls.

    Differs: none known.
    """

    name = "share"
    term = "shared weights"
    trained = True


class Ema(Link):
    """The EMA-link: a slow copy of the module `of` that no gradient reaches.

    t <- m t + (1 - m) s for every parameter, s from `of`, t here, paired by name; m is `momentum` at this step.
    It begins as a copy (`init: copy`) or from its own random weights (`init: random`). Attributes of the linked op may be
    overridden (`drop_path: 0`). It stays in train mode with BatchNorm statistics of its own unless said otherwise.

    update: `before_forward` is MoCo's moment (arXiv:1911.05722, algorithm 1; moco/builder.py), with the weights that the
    previous step left; `after_step` is BYOL's and DINO's (arXiv:2006.07733, equation 1).

    shuffle_bn: MoCo's shuffling BN (arXiv:1911.05722, section 3.3; moco/builder.py, _batch_shuffle_ddp). With `bn_group` on the
    module it works on one rank, too (SplitBN of the authors' CIFAR-10 notebook), and gives the same on any number of them.
    Differs: none known. Integer buffers are copied, never averaged.
    """

    name = "ema"
    term = "an EMA copy"
    momentum = scheduled(doc="m: how much of the old value stays; 1 never moves.", role="commit", minimum=0, maximum=1)
    update = choice("before_forward", "after_step", default="after_step", role="wiring", doc="When it moves.")
    init = choice("copy", "random", default="copy", role="wiring", doc="Initial weights.")
    buffers = choice(
        "own", "ema", "copy", default="own", role="wiring", doc="BatchNorm statistics: own, averaged, copied."
    )
    mode = choice("train", "eval", default="train", role="wiring", doc="Mode of its BatchNorm and dropout in training.")
    shuffle_bn = flag(
        False,
        role="wiring",
        doc="The rows of all ranks trade places before the call and go back behind it, so that BatchNorm groups them "
        "otherwise than on the trained side.",
    )


class Frozen(Link):
    """A fixed copy of the module `of`: it starts equal (or random) and never moves.

    With `init: random` it is a random network, the target of BYOL's experiment (arXiv:2006.07733, section 2).
    With `from: RUN` it is the network of a finished run: `of` names a node of that run, and `in` gives the image that it
    and everything before it is computed from. Structure and weights are the run's (a teacher to distil from).
    Differs: none known.
    """

    name = "frozen"
    from_run = True
    term = "a frozen copy"
    from_ = text(
        None, role="wiring", doc="The run folder that `of` means a node of, or a method of the same structure."
    )
    init = choice("copy", "random", default="copy", role="wiring", doc="Initial weights.")
    mode = choice("train", "eval", default="eval", role="wiring", doc="Mode of its BatchNorm and dropout in training.")


class Pretrained(Link):
    """The network of a finished run, trained further: `of` names a node of that run, `in` gives the images it sees.

    It and everything before it, back to the image, is built as in the run and starts from its weights (SimCLR v2, arXiv:2006.10029,
    section 3.2), or with `init: random` from weights of its own: the same network trained from scratch, to compare with. Further keys
    are attributes of the node that `of` names and change them, such as `drop_path`.
    Differs: none known.
    """

    name = "pretrained"
    term = "a pretrained network"
    trained = True
    from_run = True
    from_ = text(role="wiring", doc="The run folder that `of` means a node of, or a method of the same structure.")
    init = choice("copy", "random", default="copy", role="wiring", doc="Initial weights: the run's, or new ones.")
