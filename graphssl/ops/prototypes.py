"""The prototype head: logits of an image, or of its tokens, over learned prototypes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from graphssl.ir.signature import Input, Module, Output
from graphssl.ir.types import Axis, Value
from graphssl.language.fields import choice, integer, widths


class Prototypes(Module):
    """Similarity to each of `count` learned prototypes (DINO, arXiv:2104.14294, appendix C; vision_transformer.py, DINOHead).

        x -> [Linear - norm - activation] for each of `hidden` -> Linear(bottleneck) -> x / ‖x‖ -> last_layer

    The last layer is a Linear without bias whose rows, the prototypes, are w = g v / ‖v‖ with g = 1 at the beginning:
    `weight_norm: free` trains g, `frozen` leaves it at 1 (the authors' norm_last_layer, recommended for large models),
    `none` makes the rows plain weights (DINOv3). Every Linear before starts as a truncated normal of deviation 0.02 with
    bias 0; the plain last layer too. The last layer is called `NODE.last_layer` in `train.groups`.
    features (b d) -> logits (b count); tokens (b n d) -> tokens (b n count).
    Differs: none known. BatchNorm (`norm: batch`) of tokens takes every token as a sample.
    """

    name = "prototypes"
    term = "a prototype head"
    by_vector = True
    features = Input("features[b d] | tokens[b n d]", "vectors to compare with the prototypes")
    output = Output("logits[b k]", "one number per prototype")
    hidden = widths([2048, 2048], doc="Width of each hidden layer.")
    bottleneck = integer(256, doc="Width of the space of the prototypes.")
    count = integer(65536, doc="Number of prototypes.", minimum=2)
    norm = choice("none", "batch", default="none", doc="Normalisation after each hidden layer.")
    act = choice("relu", "gelu", default="gelu", doc="Activation after each hidden layer.")
    weight_norm = choice(
        "free", "frozen", "none", default="free", doc="Length of the prototypes: trained, fixed at 1, or not separate."
    )

    @classmethod
    def known_axes(cls, attrs: Mapping[str, Any], inputs: Mapping[str, Value]) -> Mapping[str, Axis]:
        return {"k": attrs["count"]}

    @classmethod
    def infer(cls, node: str, port: str, attrs: Any, inputs: Any, bound: Any) -> Value:
        value = super().infer(node, port, attrs, inputs, bound)
        given = next(iter(inputs.values()))
        if given.kind != "tokens":
            return value
        return Value("tokens", (*given.axes[:-1], attrs["count"]), grad=value.grad, view=value.view)

    @classmethod
    def build(cls) -> Callable[..., Any]:
        from graphssl.ops.modules.prototypes import Prototypes as Module

        return Module
