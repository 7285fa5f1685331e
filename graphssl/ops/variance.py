"""Losses on the statistics of a batch: what keeps rows apart without negatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from graphssl.ir.signature import Input, Loss
from graphssl.language.fields import scheduled

if TYPE_CHECKING:
    from torch import Tensor


class VICRegLoss(Loss):
    """Variance, invariance and covariance of two views (VICReg, arXiv:2105.04906, equations 1 to 6; main_vicreg.py).

        invariance = mean over i and j of (z_ij - z'_ij)²                                       (eq. 5)
        variance   = mean over views and j of max(0, 1 - sqrt(var_i z_ij + 1e-4))               (eq. 1, 2)
        covariance = sum over the two views of (1/d) Σ_{j≠k} cov_i(z_ij, z_ik)²                 (eq. 3, 4)
        loss = λ invariance + μ variance + ν covariance                                         (eq. 6)

    Rows i are samples, columns j and k features; var and cov divide by n - 1. λ, μ, ν = `invariance`, `variance`,
    `covariance`. Constant rows give μ (1 - 0.01). Rows are used as they arrive, not l2-normalised.
    z: a list of views, each (b d) or gathered (B d). More than two views: the mean over pairs of views, the mean over
    views, and twice the mean over views.
    Differs: equation 5 sums over j and equation 6 adds the variances of the two views; the authors' code takes means,
    and so does this. Statistics are those of the rows that arrive: the authors gather the rows of all ranks, with
    gradient, before the variance and covariance terms; here a `gather` node does it. The invariance is then over all
    ranks too, which gives the same gradient once it is averaged over ranks.
    """

    name = "vicreg_loss"
    term = "the VICReg loss"
    prevents_collapse = True
    z = Input("features[b d]", "a list of views of the same images", takes_list=True, views=2)
    invariance = scheduled(25.0, "λ: weight of the distance between views.", minimum=0)
    variance = scheduled(25.0, "μ: weight of keeping each feature's deviation above 1.", minimum=0)
    covariance = scheduled(1.0, "ν: weight of decorrelating the features.", minimum=0)

    @classmethod
    def function(cls) -> Callable[..., Any]:
        return vicreg_loss


def vicreg_loss(
    z: list[Tensor], *, invariance: float | Tensor, variance: float | Tensor, covariance: float | Tensor
) -> Tensor:
    """z: v views of (b d) -> scalar."""
    from itertools import combinations

    import torch
    import torch.nn.functional as F

    from graphssl.ops.modules.precision import full_precision

    views = [full_precision(view) for view in z]
    n, d = views[0].shape
    distances = [F.mse_loss(a, b) for a, b in combinations(views, 2)]
    hinges, covariances = [], []
    for view in views:
        centred = view - view.mean(dim=0)  # b d
        deviation = torch.sqrt(centred.var(dim=0) + 1e-4)  # d
        hinges.append(F.relu(1 - deviation).mean())
        matrix = centred.T @ centred / (n - 1)  # d d
        off_diagonal = matrix.flatten()[:-1].view(d - 1, d + 1)[:, 1:]  # every entry but the diagonal's
        covariances.append(off_diagonal.square().sum() / d)
    terms = [torch.stack(term).mean() for term in (distances, hinges, covariances)]
    return invariance * terms[0] + variance * terms[1] + 2 * covariance * terms[2]
