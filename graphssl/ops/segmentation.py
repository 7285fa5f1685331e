"""Dense prediction: the class of each pixel, a linear head on a feature map, its logits as large as the image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from graphssl.ir.signature import Input, Module, Output, RowByRow, Source
from graphssl.ir.types import Axis, Value
from graphssl.language.fields import integer, number

if TYPE_CHECKING:
    from torch import Tensor

    from graphssl.data.augment import Views
    from graphssl.data.samples import Samples


class LabelMap(Source):
    """The class of each pixel of a view, -1 where none is known: what `augment` did to the image is done to its label map.

    The same crop, flip and rotation by the same random numbers, nearest pixels; what an image is padded with is -1. Steps that change
    colours, and `erase`, leave it as it is. The data must have label maps: `shapes`, or a folder of `images` beside `masks`.
    label: int64 (b h w).
    Differs: none known.
    """

    name = "label_map"
    term = "label maps"
    follows = "image"
    image = Input(
        "image[b c h w]", "the `augment` node whose views it belongs to; a list of views gives a list of label maps"
    )
    label = Output("label[b h w]", "class indices of pixels; -1 does not count")

    @classmethod
    def following(cls, views: Views) -> Callable[[Samples], Any]:
        from graphssl.data.label_maps import LabelMaps

        return LabelMaps(views)


class SegmentationHead(Module):
    """A linear classifier of every place of a feature map.

        logits = W BatchNorm(x) + c   at each place: a 1×1 convolution behind BatchNorm over all places

    map (b d h w) -> logits (b k h w), k = dim. Source: linear segmentation of DINOv2 (arXiv:2304.07193, section 7.4;
    dinov2:dinov2/eval/segmentation/models/decode_heads/linear_head.py, BNHead).
    Differs: none known; the weights are torch's own in place of N(0, 0.01) unless `init_std` says so.
    """

    name = "segmentation_head"
    term = "a segmentation head"
    map = Input("map[b d h w]", "a vector per place")
    logits = Output("logits[b k h w]", "one number per class and place")
    dim = integer(doc="k: the number of classes.", minimum=2)
    init_std = number(None, doc="Normal weights with this deviation and zero bias; default: torch's own.", above=0)

    @classmethod
    def known_axes(cls, attrs: Mapping[str, Any], inputs: Mapping[str, Value]) -> Mapping[str, Axis]:
        return {"k": attrs["dim"]}

    @classmethod
    def build(cls) -> Callable[..., Any]:
        from graphssl.ops.modules.segmentation import segmentation_head

        return segmentation_head


class Upsample(RowByRow):
    """A map made as large as another value, bilinear between the middles of places (mmsegmentation's `resize`, align_corners false).

    x (b k h w), like (b … h' w') -> (b k h' w').
    Differs: none known.
    """

    name = "upsample"
    term = "an upsampling"
    x = Input("logits[b k _ _] | map[b k _ _]", "what is enlarged")
    like = Input("label[b h w] | image[b c h w]", "what has the size it shall have", blocks_gradient=True)
    output = Output("any", "the same, larger")

    @classmethod
    def infer(
        cls, node: str, port: str, attrs: Mapping[str, Any], inputs: Mapping[str, Value], bound: Mapping[str, Axis]
    ) -> Value:
        value = super().infer(node, port, attrs, inputs, bound)
        return replace(value, axes=(*value.axes[:2], *inputs["like"].axes[-2:]))

    @classmethod
    def function(cls) -> Callable[..., Any]:
        return upsample


def upsample(x: Tensor, like: Tensor) -> Tensor:
    """x (b k h w), like (b … h' w') -> (b k h' w')."""
    import torch.nn.functional as F

    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)
