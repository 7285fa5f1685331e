"""MoCo v3: facebookresearch/moco-v3, moco/builder.py, vits.py. The projector is `head` of a ViT, `fc` of a ResNet."""

from __future__ import annotations

from torch import nn

from graphssl.runtime.released.names import Layout, Network, Part

_NETWORKS = (
    Network("base_encoder", "state_dict.module.base_encoder."),
    Network("momentum_encoder", "state_dict.module.momentum_encoder.", slow=True),
)
_PREDICTOR = Part("predictor", (("{index}.{rest}", "{child}.{rest}"),), under="state_dict.module.predictor.")
_BACKBONE = Part("encoder", (("{rest}", "{rest}"),))


def _transformer(backbone: nn.Module) -> bool:
    return hasattr(backbone, "cls_token")


def _resnet(backbone: nn.Module) -> bool:
    return hasattr(backbone, "conv1")


MOCO_V3 = (
    Layout(
        "MoCo v3, ViT",
        method="moco_v3",
        networks=_NETWORKS,
        marks=("cls_token", "head.0.weight"),
        parts=(Part("projector", (("head.{index}.{rest}", "{child}.{rest}"),)), _PREDICTOR, _BACKBONE),
        fits=_transformer,
    ),
    Layout(
        "MoCo v3, ResNet",
        method="moco_v3",
        networks=_NETWORKS,
        marks=("conv1.weight", "fc.0.weight"),
        parts=(Part("projector", (("fc.{index}.{rest}", "{child}.{rest}"),)), _PREDICTOR, _BACKBONE),
        fits=_resnet,
    ),
)
