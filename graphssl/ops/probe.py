"""The online probe: how good the features are, while they are being learned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphssl.ir.signature import Input, Output, RowLoss
from graphssl.language.fields import integer, number


class LinearProbe(RowLoss):
    """A linear classifier on detached features, trained beside the method by its own loss and optimizer.

        loss = mean_i -log softmax(W f_i + b)[y_i]   over the samples that have a label

    It never touches the method: its input is detached, its weights have an optimizer of their own (AdamW, `lr`), and
    clipping leaves them out (the online classifier of SimCLR and BYOL: arXiv:2006.07733, appendix C.1).
    features (b d), label (b) -> loss, accuracy (share of right answers on the training batch, 0 to 1).
    Differs: the authors train theirs with the method's own optimizer.
    """

    name = "linear_probe"
    term = "a linear probe"
    needs_width = True
    observer = True
    features = Input("features[b d]", "features to judge", blocks_gradient=True)
    label = Input("label[b]", "class indices")
    accuracy = Output("scalar", "share of right answers on this batch")
    classes = integer(doc="Number of classes.", minimum=2)
    lr = number(1e-3, doc="Learning rate of its AdamW.", above=0, role="wiring")

    @classmethod
    def build(cls) -> Callable[..., Any]:
        from graphssl.ops.modules.probe import LinearProbe as Module

        return Module
