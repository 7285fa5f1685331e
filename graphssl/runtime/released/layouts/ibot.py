"""iBOT: bytedance/ibot, main_ibot.py, models/head.py (iBOTHead), models/vision_transformer.py. The shared last layer has two names."""

from __future__ import annotations

from graphssl.runtime.released.layouts.dino import MLP, NETWORKS
from graphssl.runtime.released.names import Layout, Part

IBOT = (
    Layout(
        "iBOT",
        method="ibot",
        networks=NETWORKS,
        marks=("backbone.cls_token", "head.last_layer2.weight_v"),
        parts=(
            Part(
                "prototypes",
                (
                    MLP,
                    ("head.last_layer.weight_g", "last_layer.parametrizations.weight.original0"),
                    ("head.last_layer.weight_v", "last_layer.parametrizations.weight.original1"),
                    ("head.last_layer2.weight_g", "last_layer.parametrizations.weight.original0"),
                    ("head.last_layer2.weight_v", "last_layer.parametrizations.weight.original1"),
                ),
            ),
            Part("encoder", (("backbone.masked_embed", "mask_token"), ("backbone.{rest}", "{rest}"))),
        ),
    ),
)
