"""The blocks that a model repeats."""

from __future__ import annotations

from torch import nn


def repeated_blocks(model: nn.Module) -> list[nn.Module]:
    """What the model stacks: all elements of its lists of layers of one kind, the innermost where lists hold lists.

    Transformer blocks, a ResNet's residual blocks; none in a model that names its layers one by one (RegNet, DenseNet).
    """
    lists = [part for part in model.modules() if isinstance(part, nn.Sequential | nn.ModuleList)]
    stacked = [block for layers in lists if _alike(layers) for block in layers]
    known = set(map(id, stacked))
    return [block for block in stacked if not any(id(part) in known for part in block.modules() if part is not block)]


def _alike(layers: nn.Sequential | nn.ModuleList) -> bool:
    """Whether the layers are of one class, which has layers of its own."""
    return len({type(layer) for layer in layers}) == 1 and any(True for _ in layers[0].children())
