"""A backbone alone: released by DINO and iBOT, files of torchvision and timm, BYOL, SwAV, Barlow Twins, VICReg and the like."""

from __future__ import annotations

from graphssl.runtime.released.names import Layout, Network, Part

_PREFIXES = (
    "",
    "backbone.",
    "encoder.",
    "online_network.",
    "teacher.backbone.",
    "student.backbone.",
    "teacher.",
    "student.",
)
_NETWORKS = tuple(Network(prefix.rstrip(".") or "weights", prefix) for prefix in _PREFIXES)
_CLASSIFIERS = (
    "fc.{rest}", "head.weight", "head.bias", "head.fc.{rest}", "classifier.{rest}", "projection_head.{rest}", "prototypes.{rest}",
)  # fmt: skip
_NAMES = Part("encoder", (("masked_embed", "mask_token"), ("{rest}", "{rest}")))

PLAIN = (
    Layout("vision transformer", None, _NETWORKS, ("cls_token", "blocks.0.norm1.weight"), (_NAMES,), _CLASSIFIERS),
    Layout("ResNet", None, _NETWORKS, ("conv1.weight", "layer1.0.conv1.weight"), (_NAMES,), _CLASSIFIERS),
    Layout("timm", None, _NETWORKS[:1], ("{rest}",), (_NAMES,), _CLASSIFIERS),
)
