"""DINO: facebookresearch/dino, main_dino.py, utils.py (MultiCropWrapper), vision_transformer.py (DINOHead). Any backbone."""

from __future__ import annotations

from graphssl.runtime.released.names import Layout, Network, Part

NETWORKS = (Network("teacher", "teacher.", slow=True), Network("student", "student.module."))
MLP = ("head.mlp.{index}.{rest}", "mlp.{child}.{rest}")

DINO = (
    Layout(
        "DINO",
        method="dino",
        networks=NETWORKS,
        marks=("backbone.{rest}", "head.last_layer.weight_v"),
        parts=(
            Part(
                "prototypes",
                (
                    MLP,
                    ("head.last_layer.weight_g", "last_layer.parametrizations.weight.original0"),
                    ("head.last_layer.weight_v", "last_layer.parametrizations.weight.original1"),
                ),
            ),
            Part("encoder", (("backbone.{rest}", "{rest}"),)),
        ),
    ),
)
