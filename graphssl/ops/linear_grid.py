"""Many linear classifiers side by side, one per learning rate: a sweep in one pass over the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from graphssl.ir.signature import Input, Output, RowLoss
from graphssl.language.fields import Leaf, integer, number


class LinearGrid(RowLoss):
    """Linear classifiers on the same features that differ in their learning rate alone, trained in one pass.

        loss = Σ_g mean_i -log softmax(W_g f_i + c_g)[y_i]   over the samples of all ranks that have a label

    Classifier g learns with `lr_scales[g]` times the recipe's learning rate. None knows of another, so each ends where it would have
    ended alone. features (b d), label (b) -> loss; each (g): share of right answers of each on this batch; best: the largest of them.
    Source: the linear evaluation of DINOv2 (arXiv:2304.07193, appendix B.3; dinov2:dinov2/eval/linear.py, setup_linear_classifiers).
    Differs: `best` is on the batch it is computed from; which classifier is reported is chosen on images held out (`graphssl eval linear`).
    """

    name = "linear_grid"
    term = "a grid of linear classifiers"
    needs_width = True
    score = "each"
    features = Input("features[b d]", "vectors to classify")
    label = Input("label[b]", "class indices; -1 does not count")
    best = Output("scalar", "largest share of right answers on this batch")
    each = Output("scores[g]", "share of right answers of each classifier")
    classes = integer(doc="Number of classes.", minimum=2)
    lr_scales = Leaf(
        doc="g numbers: what the learning rate of each classifier is, over the recipe's.",
        role="build",
        json={"type": "array", "minItems": 1, "maxItems": 256, "items": {"type": "number", "exclusiveMinimum": 0}},
        expected="a list of numbers such as `[0.1, 1, 10]`",
        convert=lambda value: [float(x) for x in value],
    )
    init_std = number(None, doc="Normal weights with this deviation and zero bias; default: torch's own.", above=0)

    @classmethod
    def lr_scale(cls, attrs: Mapping[str, Any], parameter: str) -> float:
        return float(attrs["lr_scales"][int(parameter.split(".")[1])])

    @classmethod
    def build_arguments(cls, attrs: Mapping[str, Any], inputs: Any) -> dict[str, Any]:
        arguments = super().build_arguments(attrs, inputs)
        return {"count": len(arguments.pop("lr_scales")), **arguments}

    @classmethod
    def build(cls) -> Callable[..., Any]:
        from graphssl.ops.modules.linear_grid import LinearGrid as Module

        return Module
