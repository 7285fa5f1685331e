"""A head that compares with learned prototypes."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from graphssl.ops.modules.mlp import mlp
from graphssl.ops.modules.precision import full_precision


class Prototypes(nn.Module):
    """x (b d) or (b n d) -> logits (b k) or (b n k): an MLP, a point on the sphere, its products with k prototypes."""

    def __init__(
        self,
        in_features: int,
        *,
        hidden: Sequence[int],
        bottleneck: int = 256,
        count: int = 65536,
        norm: str = "none",
        act: str = "gelu",
        weight_norm: str = "free",
    ):
        super().__init__()
        self.mlp = mlp(in_features, dims=[*hidden, bottleneck], norm=norm, act=act)
        for layer in self.mlp:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        self.last_layer = nn.Linear(bottleneck, count, bias=False)
        if weight_norm == "none":
            nn.init.trunc_normal_(self.last_layer.weight, std=0.02)
        else:
            parametrizations.weight_norm(self.last_layer)
            g = self.last_layer.get_parameter("parametrizations.weight.original0")  # k 1
            nn.init.ones_(g)
            g.requires_grad_(weight_norm == "free")

    def forward(self, x: Tensor) -> Tensor:
        x = self.mlp(x)
        x = F.normalize(full_precision(x), dim=-1).to(x.dtype)  # a half-precision eps would be 0
        logits: Tensor = self.last_layer(x)
        return logits
