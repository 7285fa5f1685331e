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
    hidden: int | None = None,
) -> nn.Sequential:
    """[Linear - norm - activation] for each hidden width, then Linear - last_norm.

    hidden: build only so many hidden layers, and no last one.
    """
    if hidden is not None and hidden >= len(dims):
        raise ValueError(
            f"dims {list(dims)} has {len(dims) - 1} hidden layers, counted from 0: no `hidden.{hidden - 1}`"
        )
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    width = in_features
    for i, dim in enumerate(dims[:-1] if hidden is None else dims[:hidden], start=1):
        layers[f"linear{i}"] = nn.Linear(width, dim, bias=bias)
        if norm != "none":
            layers[f"norm{i}"] = BatchNorm(dim) if norm == "batch" else nn.LayerNorm(dim)
        layers[f"act{i}"] = nn.ReLU(inplace=True) if act == "relu" else nn.GELU()
        width = dim
    if hidden is None:
        layers["last"] = nn.Linear(width, dims[-1], bias=last_bias)
    if last_norm != "none" and hidden is None:
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


def take_layers(model: nn.Sequential, x: Tensor, *ports: str) -> dict[str, Tensor]:
    """The named outputs of one forward: `output`, and `hidden.I` behind the activation of hidden layer I (from 0)."""
    out: dict[str, Tensor] = {}
    for name, layer in model.named_children():
        x = layer(x)
        if name.startswith("act"):
            out[f"hidden.{int(name.removeprefix('act')) - 1}"] = x
        if all(port in out for port in ports):  # what lies behind is not needed
            return out
    out["output"] = x
    missing = [port for port in ports if port not in out]
    if missing:
        raise ValueError(f"a head of {len(out) - 1} hidden layers, counted from 0, has no `{missing[0]}`")
    return {port: out[port] for port in ports}


def linear(width: int, *, dim: int, bias: bool = True, init_std: float | None = None) -> nn.Linear:
    """One linear layer; `init_std`: normal weights of this deviation and zero bias."""
    layer = nn.Linear(width, dim, bias=bias)
    if init_std is not None:
        nn.init.normal_(layer.weight, std=init_std)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return layer


class BatchNorm(nn.BatchNorm1d):
    """BatchNorm over the last axis: of features (b d), or of tokens (b n d) with every token a sample."""

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() == 2:
            return super().forward(x)
        return super().forward(x.flatten(0, -2)).view(x.shape)
