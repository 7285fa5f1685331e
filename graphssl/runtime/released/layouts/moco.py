"""MoCo v1 and v2: facebookresearch/moco, moco/builder.py and main_moco.py. A torchvision ResNet whose `fc` is the head."""

from __future__ import annotations

from graphssl.runtime.released.names import Layout, Network, Part

_NETWORKS = (
    Network("encoder_q", "state_dict.module.encoder_q."),
    Network("encoder_k", "state_dict.module.encoder_k.", slow=True),
)
_BACKBONE = Part("encoder", (("{rest}", "{rest}"),))

MOCO = (
    Layout(
        "MoCo v2",
        method="moco_v2",
        networks=_NETWORKS,
        marks=("conv1.weight", "fc.0.weight"),
        parts=(Part("projector", (("fc.{index}.{rest}", "{child}.{rest}"),)), _BACKBONE),
    ),
    Layout(
        "MoCo v1",
        method="moco_v1",
        networks=_NETWORKS,
        marks=("conv1.weight", "fc.weight"),
        parts=(Part("projector", (("fc.{rest}", "last.{rest}"),)), _BACKBONE),
    ),
)
