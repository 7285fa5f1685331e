"""The ops: every box a graph may hold. One family per file; this table is the list of contents.

Third parties add theirs through the entry-point group `graphssl.ops`, or `--plugin package.module`.
"""

from __future__ import annotations

import importlib
from functools import cache
from importlib.metadata import entry_points

from graphssl.ir.signature import Op
from graphssl.ops.contrastive import InfoNCE, NTXent
from graphssl.ops.encoder import Encoder
from graphssl.ops.heads import Predictor, Projector
from graphssl.ops.links import Ema, Frozen, Share
from graphssl.ops.probe import LinearProbe
from graphssl.ops.queue import Queue
from graphssl.ops.regression import CosineLoss
from graphssl.ops.sources import Augment, Label
from graphssl.ops.tensors import Concat, Gather, L2Normalize, StopGrad

OPS: tuple[type[Op], ...] = (
    # sources
    Augment,
    Label,
    # modules
    Encoder,
    Projector,
    Predictor,
    # links
    Share,
    Ema,
    Frozen,
    # pure
    StopGrad,
    L2Normalize,
    Concat,
    Gather,
    # state
    Queue,
    # losses
    InfoNCE,
    NTXent,
    CosineLoss,
    LinearProbe,
)


@cache
def registry(plugins: tuple[str, ...] = ()) -> dict[str, type[Op]]:
    """Every op by name: ours, those of installed packages, and those of the modules named in `plugins`.

    A plugin module lists its op classes in `OPS`.
    """
    found = {op.name: op for op in OPS}
    for point in sorted(entry_points(group="graphssl.ops"), key=lambda p: p.name):
        found[point.name] = point.load()
    for plugin in plugins:
        found |= {op.name: op for op in importlib.import_module(plugin).OPS}
    return found
