"""The ops: every box a graph may hold. One family per file; this table is the list of contents.

Third parties add theirs through the entry-point group `graphssl.ops`, or `--plugin package.module`.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

from graphssl.ir.plugins import plugged
from graphssl.ir.signature import Op
from graphssl.ops.assignment import Sinkhorn, Softmax
from graphssl.ops.center import Center
from graphssl.ops.contrastive import InfoNCE, NegativesLoss, NTXent
from graphssl.ops.cross_entropy import SoftCrossEntropy
from graphssl.ops.encoder import Encoder
from graphssl.ops.heads import Predictor, Projector
from graphssl.ops.koleo import KoLeoLoss
from graphssl.ops.linear_grid import LinearGrid
from graphssl.ops.links import Ema, Frozen, Pretrained, Share
from graphssl.ops.masks import BlockMask, RandomMask
from graphssl.ops.probe import LinearProbe
from graphssl.ops.prototypes import Prototypes
from graphssl.ops.queue import Queue
from graphssl.ops.regression import CosineLoss, MSELoss
from graphssl.ops.segmentation import LabelMap, SegmentationHead, Upsample
from graphssl.ops.sources import Augment, Label
from graphssl.ops.supervised import Accuracy, CrossEntropy, Linear
from graphssl.ops.take_masked import TakeMasked
from graphssl.ops.tensors import Concat, Gather, Identity, L2Normalize, MeanPool, StopGrad
from graphssl.ops.variance import VICRegLoss

OPS: tuple[type[Op], ...] = (
    # sources
    Augment,
    Label,
    LabelMap,
    BlockMask,
    RandomMask,
    # modules
    Encoder,
    Projector,
    Predictor,
    Prototypes,
    Linear,
    SegmentationHead,
    # links
    Share,
    Ema,
    Frozen,
    Pretrained,
    # pure
    StopGrad,
    Identity,
    L2Normalize,
    MeanPool,
    Upsample,
    Concat,
    Gather,
    Softmax,
    Sinkhorn,
    TakeMasked,
    Accuracy,
    # state
    Queue,
    Center,
    # losses
    InfoNCE,
    NTXent,
    NegativesLoss,
    CosineLoss,
    MSELoss,
    SoftCrossEntropy,
    VICRegLoss,
    KoLeoLoss,
    CrossEntropy,
    LinearProbe,
    LinearGrid,
)


@cache
def registry(plugins: tuple[str, ...] = ()) -> dict[str, type[Op]]:
    """Every op by name: ours, those of installed packages, and those of the modules named in `plugins`.

    A plugin module lists its op classes in `OPS`.
    """
    found = {op.name: op for op in OPS}
    for point in sorted(entry_points(group="graphssl.ops"), key=lambda p: p.name):
        op = point.load()
        found[op.name] = op
    return found | plugged(plugins, "OPS", "op classes")
