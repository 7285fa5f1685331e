"""Losses that pull a prediction to a target."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from graphssl.ir.pairs import PAIRS
from graphssl.ir.signature import Input, RowLoss
from graphssl.ops.contrastive import NORMALIZE, REDUCE

if TYPE_CHECKING:
    from torch import Tensor

_NUMBERS = "logits[b k] | probabilities[b k] | features[b k] | tokens[b n k]"


class CosineLoss(RowLoss):
    """Squared distance of unit vectors (BYOL, arXiv:2006.07733, equation 2; byol_experiment.py of the authors).

        loss = mean_i ‖p_i/‖p_i‖ - t_i/‖t_i‖‖² = mean_i (2 - 2 cos(p_i, t_i))

    The target is used as it arrives: where no gradient should reach it, it comes from an `ema`, `frozen` or `stop_grad`
    node. prediction (b d), target (b d). With `normalize: false`, the plain squared distance.
    Differs: BYOL sums the two directions (`reduce: sum`). SimSiam's -cos (arXiv:2011.10566, equation 1) is this times
    1/2, less 1: `weight: 0.5` gives its gradient.
    """

    name = "cosine_loss"
    term = "the cosine loss"
    paired = ("prediction", "target")
    prediction = Input("features[b d]", "what the online side predicts")
    target = Input("features[b d]", "what it should be")
    normalize = NORMALIZE
    pairs = PAIRS
    reduce = REDUCE

    @classmethod
    def function(cls) -> Callable[..., Any]:
        return cosine_loss


def cosine_loss(prediction: Tensor, target: Tensor, *, normalize: bool = True) -> Tensor:
    """prediction (b d), target (b d) -> scalar."""
    import torch.nn.functional as F

    from graphssl.ops.modules.precision import full_precision

    prediction, target = full_precision(prediction), full_precision(target)
    if normalize:
        prediction, target = F.normalize(prediction, dim=1), F.normalize(target, dim=1)
    return (prediction - target).square().sum(dim=1).mean()


class MSELoss(RowLoss):
    """Mean squared difference over all numbers of a prediction and a target; nothing is normalised.

        loss = mean_ik (p_ik - t_ik)²

    With a `softmax` on either side it compares distributions, DINO's ablation (arXiv:2104.14294, table 7).
    prediction (b k) or tokens (b n k), target the same.
    Differs: the paper does not say what its MSE compares, and the authors' code does not hold it.
    """

    name = "mse_loss"
    term = "the mean squared error"
    paired = ("prediction", "target")
    prediction = Input(_NUMBERS, "what gradient trains")
    target = Input(_NUMBERS, "what it should be")
    pairs = PAIRS
    reduce = REDUCE

    @classmethod
    def function(cls) -> Callable[..., Any]:
        return mse_loss


def mse_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """prediction and target of one shape -> scalar."""
    from graphssl.ops.modules.precision import full_precision

    return (full_precision(prediction) - full_precision(target)).square().mean()
