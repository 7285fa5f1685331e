"""DINOv2: facebookresearch/dinov2, train/ssl_meta_arch.py, models/vision_transformer.py, layers/{dino_head,swiglu_ffn}.py.

Checkpoints of a training have blocks in chunks (`blocks.1.6`), which count all blocks through; released ones (`blocks.6`) not.
"""

from __future__ import annotations

from timm.layers import GluMlp
from torch import nn

from graphssl.runtime.released.names import Layout, Network, Pair, Part

_NETWORKS = (Network("teacher", "teacher.", slow=True), Network("student", "student."))


def _head(name: str) -> Part:
    return Part(
        "prototypes",
        (
            (f"{name}.mlp.{{index}}.{{rest}}", "mlp.{child}.{rest}"),
            (f"{name}.last_layer.weight_g", "last_layer.parametrizations.weight.original0"),
            (f"{name}.last_layer.weight_v", "last_layer.parametrizations.weight.original1"),
        ),
    )


def _backbone(before: str, swiglu: bool) -> Part:
    ffn: tuple[Pair, ...] = (
        ("blocks.{chunk}.{i}.mlp.w12.{rest}", "blocks.{i}.mlp.fc1.{rest}"),
        ("blocks.{chunk}.{i}.mlp.w3.{rest}", "blocks.{i}.mlp.fc2.{rest}"),
        ("blocks.{i}.mlp.w12.{rest}", "blocks.{i}.mlp.fc1.{rest}"),
        ("blocks.{i}.mlp.w3.{rest}", "blocks.{i}.mlp.fc2.{rest}"),
    )
    others: tuple[Pair, ...] = (
        ("register_tokens", "reg_token"),
        ("blocks.{chunk}.{i}.{rest}", "blocks.{i}.{rest}"),
        ("{rest}", "{rest}"),
    )
    names = (*ffn, *others) if swiglu else others
    return Part("encoder", tuple((before + theirs, ours) for theirs, ours in names))


def _swiglu(backbone: nn.Module) -> bool:
    return any(isinstance(layer, GluMlp) for layer in backbone.modules())


def _mlp(backbone: nn.Module) -> bool:
    return not _swiglu(backbone)


_HEADS = (_head("dino_head"), _head("ibot_head"))
_MARKS = ("backbone.cls_token", "backbone.mask_token")
_FLAT_MARKS = ("cls_token", "mask_token", "blocks.{rest}.ls1.gamma")

DINOV2 = (
    Layout(
        "DINOv2 training, SwiGLU",
        method="dinov2",
        networks=_NETWORKS,
        marks=(*_MARKS, "backbone.blocks.{rest}.mlp.w12.weight"),
        parts=(*_HEADS, _backbone("backbone.", swiglu=True)),
        fits=_swiglu,
    ),
    Layout(
        "DINOv2 training",
        method="dinov2",
        networks=_NETWORKS,
        marks=_MARKS,
        parts=(*_HEADS, _backbone("backbone.", swiglu=False)),
        fits=_mlp,
    ),
)
DINOV2_FLAT = (
    Layout(
        "DINOv2, SwiGLU",
        method="dinov2_backbone",
        networks=(Network("teacher", slow=True),),
        marks=(*_FLAT_MARKS, "blocks.{rest}.mlp.w12.weight"),
        parts=(_backbone("", swiglu=True),),
        fits=_swiglu,
    ),
    Layout(
        "DINOv2",
        method="dinov2_backbone",
        networks=(Network("teacher", slow=True),),
        marks=_FLAT_MARKS,
        parts=(_backbone("", swiglu=False),),
        fits=_mlp,
    ),
)
