"""Pure ops: tensors in, tensors out, no weights and no memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from graphssl.ir.signature import Input, Output, Pure, RowByRow
from graphssl.ir.types import Axis, Value
from graphssl.language.fields import choice, flag

if TYPE_CHECKING:
    from torch import Tensor


class StopGrad(RowByRow):
    """x, with no gradient flowing back through it (SimSiam, arXiv:2011.10566, algorithm 1). Any shape."""

    name = "stop_grad"
    term = "a stop-gradient"
    x = Input("any", "any value", blocks_gradient=True)
    output = Output("any", "the same value", unit="same")

    @classmethod
    def function(cls) -> Callable[..., Any]:
        return stop_grad


def stop_grad(x: Tensor) -> Tensor:
    """x, detached."""
    return x.detach()


class Identity(RowByRow):
    """x as it is: keeps a node's name where a variant takes its op away. Any shape."""

    name = "identity"
    x = Input("any", "any value")
    output = Output("any", "the same value", unit="same")

    @classmethod
    def function(cls) -> Callable[..., Any]:
        return identity


def identity(x: Tensor) -> Tensor:
    """x."""
    return x


class L2Normalize(RowByRow):
    """x / max(‖x‖₂, 1e-12) over the last axis. features (b d) or tokens (b n d) -> the same shape, rows of length 1."""

    name = "l2_normalize"
    term = "l2 normalisation"
    x = Input("features[b d] | tokens[b n d]", "vectors")
    output = Output("any", "unit vectors", unit="yes")

    @classmethod
    def function(cls) -> Callable[..., Any]:
        return l2_normalize


def l2_normalize(x: Tensor) -> Tensor:
    """Rows of length 1."""
    import torch.nn.functional as F

    return F.normalize(x, dim=-1)


class MeanPool(RowByRow):
    """The average over the places of an image. tokens (b n d) or map (b d h w) -> features (b d).

    Differs: none known.
    """

    name = "mean_pool"
    term = "the mean over places"
    x = Input("tokens[b n d] | map[b d h w]", "a vector per place")
    output = Output("features[b d]", "one vector per image")

    @classmethod
    def function(cls) -> Callable[..., Any]:
        return mean_pool


def mean_pool(x: Tensor) -> Tensor:
    """(b n d) or (b d h w) -> (b d)."""
    return x.mean(dim=1) if x.dim() == 3 else x.mean(dim=(2, 3))


class Concat(Pure):
    """All values of a list, one behind the other, along the width (`features`) or along the samples (`batch`)."""

    name = "concat"
    x = Input("features[b _]", "a list of features", takes_list=True)
    output = Output("features[b d]", "one tensor")
    along = choice("features", "batch", default="features", role="call", doc="The axis to join.")

    @classmethod
    def row_by_row(cls, attrs: Mapping[str, Any]) -> bool:
        return bool(attrs["along"] == "features")  # rows joined along the batch come view by view, not sample by sample

    @classmethod
    def infer(cls, node: str, port: str, attrs: Any, inputs: Any, bound: Any) -> Value:
        value = super().infer(node, port, attrs, inputs, bound)
        axis = 1 if attrs["along"] == "features" else 0
        axes = list(inputs["x"].axes)
        axes[axis] = f"{node}.d" if axis else f"{node}.b"
        return replace(value, axes=tuple(axes), unit=False if axis else value.unit)

    @classmethod
    def function(cls) -> Callable[..., Any]:
        return concat


def concat(x: list[Tensor], *, along: str = "features") -> Tensor:
    """The tensors of `x` joined."""
    import torch

    return torch.cat(x, dim=1 if along == "features" else 0)


class Gather(Pure):
    """The rows of all ranks, in rank order; on one rank, x itself.

    grad: with gradient, that of every rank's loss flows back to the rank a row came from (summed; averaging gradients
    over ranks then gives that of the mean loss). SimCLR needs it (arXiv:2002.05709; tpu_cross_replica_concat in the
    authors' objective.py), MoCo's keys do not (moco/builder.py, concat_all_gather).
    features (b d) -> features (B d).
    Differs: none known.
    """

    name = "gather"
    term = "gathering over all ranks"
    takes_views_at_once = True
    x = Input("features[b d]", "rows of this rank")
    output = Output("features[b d]", "rows of all ranks", unit="same")
    grad = flag(True, doc="Let gradient flow back to all ranks.", role="call")

    @classmethod
    def known_axes(cls, attrs: Mapping[str, Any], inputs: Mapping[str, Value]) -> Mapping[str, Axis]:
        return {"b": "B"}

    @classmethod
    def infer(cls, node: str, port: str, attrs: Any, inputs: Any, bound: Any) -> Value:
        value = super().infer(node, port, attrs, inputs, bound)
        return replace(value, gathered=True, grad=value.grad and attrs["grad"])

    @classmethod
    def function(cls) -> Callable[..., Any]:
        from graphssl.ops.modules.distributed import gather

        return gather
