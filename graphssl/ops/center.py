"""Centring: subtracting a running mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphssl.ir.signature import Input, Output, State
from graphssl.language.fields import choice, number


class Center(State):
    """x - c, where c is the running mean of what came through in earlier steps (DINO, arXiv:2104.14294, equation 4).

        c <- m c + (1 - m) mean(x)      after the optimizer step

    This step reads the c from before it. The mean is over the rows, for tokens over all tokens of all images, of all views
    of a list, all micro-batches and all ranks, each row counting the same; with `mask`, over the rows or tokens where it
    is not 0. c starts at 0 and stays in float32. Gradient flows through x, not through c.
    Centring keeps one prototype from winning everywhere and drives towards the uniform distribution; a target sharper
    than the prediction does the opposite. Together they prevent collapse (section 5.3), neither does alone.
    x (b k) or tokens (b n k) -> the same; m = `momentum`. Authors' code: main_dino.py, DINOLoss.update_center.
    Differs: DINOv2 averages the patch centres of the ranks, each rank counting the same; here each token does. With equal
    numbers on each rank it is the same.
    """

    name = "center"
    term = "centring"
    prevents_collapse = True
    running_mean = "center"
    x = Input("logits[b k] | features[b k] | tokens[b n k]", "rows to centre")
    mask = Input("mask[b n] | weights[b]", "rows or tokens that count for the mean: where it is not 0", optional=True)
    output = Output("any", "x - c")
    momentum = number(0.9, doc="m: how much of the old mean stays.", minimum=0, maximum=1)
    update = choice("after_step", default="after_step", role="wiring", doc="When the mean moves.")

    @classmethod
    def build(cls) -> Callable[..., Any]:
        from graphssl.ops.modules.center import Center as Module

        return Module
