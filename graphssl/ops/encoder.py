"""The encoder: any timm model."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from graphssl.ir.signature import Input, Module, Output
from graphssl.ir.types import Axis, Value
from graphssl.language.fields import Leaf, choice, flag, number, text

_BLOCK = re.compile(r"blocks\.-?[0-9]+")


class Encoder(Module):
    """Features of an image by a timm model without its classifier.

    image (b 3 h w) -> pooled (b d): what the model's own head pools (average for a ConvNet, class token for a ViT);
    cls (b d): class token; patch (b n d): patch tokens; map (b d h w): the last feature map; blocks.I (b n d): tokens
    after block I, counted as in Python. The parameters carry timm's own names below the node's.

    stem `cifar` is the 3×3 stride-1 convolution without max-pool of SimCLR (arXiv:2002.05709, B.9) and the CIFAR ResNets;
    `small` has stride 2, for a quarter of the work; `auto` takes `cifar` for a ResNet at 64 px or less, `imagenet` leaves the model as it is.
    Differs: none known from timm; weights are initialised by timm.
    """

    name = "encoder"
    needs_width = False
    image = Input("image[b c h w]", "images")
    pooled = Output("features[b d]", "one vector per image, pooled as the model does")
    cls_ = Output("features[b d]", "class token")
    patch = Output("tokens[b n d]", "patch tokens")
    map = Output("map[b d h w]", "last feature map")
    arch = text(doc="Name of a timm model, for example `resnet50` or `vit_small_patch16_224`.")
    stem = choice("auto", "imagenet", "cifar", "small", default="auto", doc="First layers of a ResNet.")
    drop_path = number(0.0, doc="Stochastic depth rate.", minimum=0, maximum=1)
    pretrained = flag(False, doc="Start from timm's weights (needs the network, or timm's cache).")
    zero_init_last = flag(None, doc="Start each residual block at zero (last BatchNorm γ = 0); default: as timm does.")
    args = Leaf(
        doc="More arguments of the timm model, for example `{patch_size: 4}`.",
        default=None,
        role="build",
        json={"type": "object"},
        expected="a map of arguments",
    )

    @classmethod
    def port_pattern(cls, port: str) -> str | None:
        return "tokens[b n d]" if _BLOCK.fullmatch(port) else super().port_pattern(port)

    @classmethod
    def infer(
        cls, node: str, port: str, attrs: Mapping[str, Any], inputs: Mapping[str, Value], bound: Mapping[str, Axis]
    ) -> Value:
        """As declared; height and width of the last map are the model's, not the image's."""
        return super().infer(
            node, port, attrs, inputs, {axis: a for axis, a in bound.items() if axis not in ("h", "w")}
        )

    @classmethod
    def build(cls) -> Callable[..., Any]:
        from graphssl.ops.modules.encoder import encoder

        return encoder

    @classmethod
    def take(cls) -> Callable[..., Any]:
        from graphssl.ops.modules.encoder import take

        return take

    @classmethod
    def build_arguments(cls, attrs: Mapping[str, Any], inputs: Mapping[str, tuple[Value, ...]]) -> dict[str, Any]:
        sizes = {v.axes[2] for v in inputs.get("image", ()) if len(v.axes) == 4 and isinstance(v.axes[2], int)}
        given = super().build_arguments(attrs, inputs)
        arguments = {key: value for key, value in given.items() if value is not None and key != "args"}
        arguments["image_sizes"] = sorted(sizes, reverse=True)
        return {**arguments, **({"args": given["args"]} if given["args"] else {})}
