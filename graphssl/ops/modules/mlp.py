"""Multi-layer perceptrons."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn


def mlp(
    in_features: int,
    *,
    dims: Sequence[int],
    norm: str = "batch",
    act: str = "relu",
    bias: bool = True,
    last_bias: bool = True,
    last_norm: str = "none",
    init_std: float | None = None,
) -> nn.Sequential:
    """[Linear - norm - activation] for each hidden width, then Linear - last_norm."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    width = in_features
    for i, hidden in enumerate(dims[:-1], start=1):
        layers[f"linear{i}"] = nn.Linear(width, hidden, bias=bias)
        if norm != "none":
            layers[f"norm{i}"] = BatchNorm(hidden) if norm == "batch" else nn.LayerNorm(hidden)
        layers[f"act{i}"] = nn.ReLU(inplace=True) if act == "relu" else nn.GELU()
        width = hidden
    layers["last"] = nn.Linear(width, dims[-1], bias=last_bias)
    if last_norm != "none":
        layers["last_norm"] = BatchNorm(dims[-1], affine=last_norm != "batch_no_affine")
        if last_norm == "batch_no_bias":
            layers["last_norm"].register_parameter("bias", None)
    if init_std is not None:
        for layer in layers.values():
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=init_std)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
    return nn.Sequential(layers)


class BatchNorm(nn.BatchNorm1d):
    """BatchNorm over the last axis: of features (b d), or of tokens (b n d) with every token a sample."""

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() == 2:
            return super().forward(x)
        return super().forward(x.flatten(0, -2)).view(x.shape)
