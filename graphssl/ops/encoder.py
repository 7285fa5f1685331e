"""The encoder: any timm model."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from graphssl.ir.signature import Input, Module, Output
from graphssl.ir.types import Axis, Value
from graphssl.language.fields import Leaf, choice, flag, number, text

_BLOCK = re.compile(r"blocks\.-?[0-9]{1,4}(?P<cls>\.cls)?")
_LARGEST = 65_536
_NOT_OURS = (
    "pretrained.*|checkpoint_path|cache_dir|device|dtype|scriptable|exportable|no_jit|features_only|feature_cls|pruned|"
    "num_classes"
)


def _arguments(value: Any) -> Any:
    """The arguments, when they are small enough that building the model ends."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if len(parts) > 256 or (isinstance(value, int | float) and abs(value) > _LARGEST):
        raise ValueError(value)
    for part in parts:
        _arguments(part)
    return value


class Encoder(Module):
    """Features of an image by a timm model without its classifier.

    image (b 3 h w) -> pooled (b d): what the model's own head pools (average for a ConvNet, class token for a ViT);
    cls (b d): class token; patch (b n d): patch tokens; map (b d h w): the last feature map; blocks.I (b n d): patch
    tokens after block I, counted as in Python, and the last norm; blocks.I.cls (b d): the class token there. The parameters carry timm's own names below the node's.

    stem `cifar` is the 3×3 stride-1 convolution without max-pool of SimCLR (arXiv:2002.05709, B.9) and the CIFAR ResNets;
    `small` has stride 2, for a quarter of the work; `auto` takes `cifar` for a ResNet at 64 px or less, `imagenet` leaves the model as it is.

    For vision transformers:

    - `mask`: hidden patches enter as one learned vector, `mask_token` (1 d), zeros at first, in place of their embeddings, before
      positions are added (BEiT, arXiv:2106.08254; iBOT, ibot:models/vision_transformer.py). Evaluation hides nothing. For views
      without a mask, call the module again: `{op: share, of: f, in: local}`; an `ema` takes a mask or none, too.
    - `positions: sincos`: fixed, for patch row i, column j and k < d/4: sin(i·w_k), cos(i·w_k), sin(j·w_k), cos(j·w_k) with
      w_k = 10000^(-4k/d), zeros for the class token; `weight_init: xavier`: uniform in ± √(6 / (fan in + fan out)) for every
      matrix, query, key and value each for itself, and for the patch projection; biases zero, class token N(0, 1e-6)
      (both MoCo v3, arXiv:2104.02057; moco-v3:vits.py, which also has `freeze: [patch_embed]` and, for ViT-S,
      `args: {num_heads: 12}`).
    - Images of several sizes: positions belong to the largest and are resized, bicubic, for the others: as timm does, with
      antialiasing, or (`position_scaling: dino`) as DINO, iBOT and DINOv2 do, without, by (n + 0.1) / N in place of n / N.
    - `drop_path` is the rate of the last block, rising linearly from 0 at the first; with `drop_path_uniform`, that of all. Each
      sample is dropped by chance; with `drop_path_exact`, exactly b - max(int(b (1 - p)), 1) of a call's b samples (those of all
      ranks and micro-batches) are, and the others scaled by b / kept (both DINOv2, arXiv:2304.07193; dinov2/layers/block.py, drop_add_residual_stochastic_depth).
    - `weight_init: dino`: timm's, and the class token as a truncated normal of deviation 0.02 (dino:vision_transformer.py).
    - `ffn: swiglu`: SwiGLU in place of the MLP (arXiv:2002.05202; dinov2/layers/swiglu_ffn.py). `mlp_ratio` then counts gate and value,
      `args: {mlp_ratio: 5.34375}` for DINOv2's ViT-L.

    `checkpoint` (activation checkpointing, arXiv:1604.06174) keeps the input of each block and computes what is within again on the way
    back, to the same numbers; a run may be resumed with or without.

    Differs: none known from timm.
    """

    name = "encoder"
    term = "an encoder"
    needs_width = False
    spare_weights = ("mask_token",)
    image = Input("image[b c h w]", "images")
    mask = Input("mask[b n]", "true at patches that are hidden", optional=True, training_only=True)
    pooled = Output("features[b d]", "one vector per image, pooled as the model does")
    cls_ = Output("features[b d]", "class token")
    patch = Output("tokens[b n d]", "patch tokens")
    map = Output("map[b d h w]", "last feature map")
    arch = text(doc="Name of a timm model, for example `resnet50` or `vit_small_patch16_224`.")
    stem = choice("auto", "imagenet", "cifar", "small", default="auto", doc="First layers of a ResNet.")
    drop_path = number(0.0, doc="Stochastic depth rate.", minimum=0, maximum=1)
    drop_path_uniform = flag(False, doc="The same rate in all blocks of a vision transformer, not rising from 0.")
    drop_path_exact = flag(False, doc="Drop an exact number of a call's samples, not each by chance.")
    pretrained = flag(False, doc="Start from timm's weights (needs the network, or timm's cache).")
    zero_init_last = flag(None, doc="Start each residual block at zero (last BatchNorm γ = 0); default: as timm does.")
    positions = choice("learned", "sincos", default="learned", doc="Positions of a vision transformer.")
    position_scaling = choice(
        "timm", "dino", default="timm", doc="How positions are resized for images of other sizes."
    )
    weight_init = choice("timm", "xavier", "dino", default="timm", doc="Initial weights of a vision transformer.")
    ffn = choice("mlp", "swiglu", default="mlp", doc="What follows attention in each block of a vision transformer.")
    freeze = Leaf(
        doc="Parts that are not trained, by the names of modules or parameters inside the model: `[patch_embed]`.",
        default=None,
        role="build",
        json={"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
        expected="a list of names such as `[patch_embed]`",
    )
    checkpoint = replace(
        flag(
            False,
            doc="Keep only the inputs of its blocks, and compute the rest again in the backward: less memory, more time.",
        ),
        neutral=True,
    )
    args = Leaf(
        doc="More arguments of the timm model, for example `{patch_size: 4}`; not those that load weights or choose a device.",
        default=None,
        role="build",
        json={
            "type": "object",
            "propertyNames": {"not": {"pattern": f"^({_NOT_OURS})$"}},
        },
        convert=_arguments,
        expected=f"arguments of the model's structure, numbers up to {_LARGEST:,}",
    )

    @classmethod
    def port_pattern(cls, port: str) -> str | None:
        if block := _BLOCK.fullmatch(port):
            return "features[b d]" if block["cls"] else "tokens[b n d]"
        return super().port_pattern(port)

    @classmethod
    def infer(
        cls, node: str, port: str, attrs: Mapping[str, Any], inputs: Mapping[str, Value], bound: Mapping[str, Axis]
    ) -> Value:
        """As declared; height and width of the last map are the model's, tokens those of an image of this size."""
        size = bound.get("h")
        tokens = {"n": f"{node}.n{size}"} if isinstance(size, int) else {}
        return super().infer(
            node, port, attrs, inputs, tokens | {axis: a for axis, a in bound.items() if axis not in ("h", "w")}
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
        arguments["masked"] = "mask" in inputs
        return {**arguments, **({"args": given["args"]} if given["args"] else {})}
