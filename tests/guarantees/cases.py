"""Every bundled method in a size that takes milliseconds a step: its wiring, heads and recipe kept, 16 images a step.

`METHOD@quick` is the recipe for CPUs (BatchNorm in heads, no stochastic depth), the others have the wiring of the paper.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.conftest import TOY_ENCODER, TOY_TRANSFORMER

IMAGES = "shapes:32,48"
BATCH, STEPS, MIDDLE = 16, 4, 2  # three steps an epoch

RESNET = {"nodes.f.args": {**TOY_ENCODER, "layers": [1, 1, 1, 1]}}
QUICK_VIT = {
    "nodes.f.args": TOY_TRANSFORMER, "params.prototypes": 24, "nodes.h.hidden": [16], "nodes.h.bottleneck": 8,
}  # fmt: skip
VIT = QUICK_VIT | {
    "nodes.f.arch": "vit_tiny_patch16_224", "nodes.large.size": 32, "nodes.small.size": 16, "nodes.small.count": 2,
    "train.lr.base": 0.01, "nodes.f.args.depth": 2,
}  # fmt: skip
SMOOTH = {
    "train.optimizer.eps": 1e-6
}  # keys' biases have no gradient: Adam divides the rounding of that by ε, at a high rate here
MASKS = {"nodes.mask.patch": 8}
PACKED = MASKS | {"nodes.mask.min_block": 1, "nodes.s.room": 0.5, "nodes.t.room": 0.5, "nodes.koleo.group": 4}
OWN_HEAD = {"nodes.hp.hidden": [16], "nodes.hp.bottleneck": 8}
LONG = VIT | PACKED | OWN_HEAD | {"nodes.f.ffn": "mlp", "nodes.f.args.mlp_ratio": None}
MOCO = RESNET | {"params.queue": 40, "params.dim": 8, "nodes.f.bn_group": 4}
MOCO_VIT = {  # AdamW would blow up the rounding of gradients that BatchNorm makes 0
    "train.optimizer.name": "sgd",
    "nodes.f.args": TOY_TRANSFORMER | {"depth": 2, "img_size": 32}, "nodes.v1.size": 32, "nodes.v2.size": 32,
    "params.hidden": 16, "params.dim": 8, "train.lr.base": 0.01,
}  # fmt: skip
DISTILLED = (
    VIT | OWN_HEAD | {"nodes.f.args.dynamic_img_size": True, "nodes.f.args.img_size": 32, "nodes.koleo.group": 4}
)
DISTILLED |= {"nodes.ht.hidden": [16], "nodes.ht.bottleneck": 8, "nodes.htp.hidden": [16], "nodes.htp.bottleneck": 8}


@dataclass(frozen=True)
class Case:
    """One row of the table. runs: overrides whose values are the runs of other cases, by the name of those."""

    name: str
    overrides: dict[str, Any]
    runs: dict[str, str] = field(default_factory=dict)


CASES = {
    case.name: case
    for case in (
        Case("infonce@quick", RESNET),
        Case("simclr@quick", RESNET),
        Case("simclr_v2@quick", RESNET),
        Case("simclr_v2@quick@memory", RESNET | {"nodes.queue.size": 40}),
        Case("simclr_v2_finetune@quick", RESNET | {"train.images": "100%"}, {"params.run": "simclr_v2@quick"}),
        Case("simclr_v2_distill@quick", RESNET, {"nodes.teacher.from": "simclr_v2_finetune@quick"}),
        Case("moco_v1@quick", MOCO),
        Case("moco_v2@quick", MOCO | {"nodes.g.bn_group": 4}),
        Case("moco_v3@quick", RESNET),
        Case("moco_v3@vit_small", MOCO_VIT),
        Case("byol@quick", RESNET),
        Case("byol@quick@no_predictor@stop_grad@negatives", RESNET),
        Case("simsiam@quick", RESNET),
        Case("vicreg@quick", RESNET),
        Case("dino", VIT),
        Case("dino@sinkhorn", VIT),
        Case("dino@mse", VIT),
        Case("dino@quick", QUICK_VIT | SMOOTH),
        Case("ibot", VIT | MASKS),
        Case("ibot@separate_heads", VIT | MASKS | OWN_HEAD),
        Case("ibot@quick", QUICK_VIT | SMOOTH | MASKS),
        Case("dinov2", VIT | PACKED),
        Case("dinov2@long", LONG),
        Case("dinov2@quick", QUICK_VIT | SMOOTH | PACKED),
        Case("dinov2_distill", DISTILLED, {"params.run": "dinov2@long"}),
        Case(
            "dinov2_highres",
            LONG | {"nodes.large.size": 64, "nodes.f.args.img_size": 32},
            {"params.run": "dinov2@long"},
        ),
    )
}
"""By name, those that others start from before those."""

ON_TOP_OF_RUNS = ("linear", "finetune", "segmentation")
"""Evaluations as graphs: supervised heads on networks of the rows above, not methods of their own."""

COMMON = {"train.batch_size": BATCH, "train.precision": "fp32"}
