"""Spreading features evenly, by the distance of each to its nearest neighbour."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from graphssl.ir.signature import Input, Loss
from graphssl.ops.contrastive import REDUCE

if TYPE_CHECKING:
    from torch import Tensor


class KoLeoLoss(Loss):
    """Kozachenko-Leonenko estimate of the entropy of the batch (arXiv:1806.03198, eq. 2; DINOv2, arXiv:2304.07193, section 4).

        loss = -mean_i log(‖z_i - z_n(i)‖ + 1e-8),   n(i) = argmax_{j≠i} z_i·z_j,   z = x / ‖x‖

    It takes the features of one view, before any head, and pushes each away from its nearest neighbour. The rows are those
    that arrive: one rank's, as in the authors' code (dinov2/loss/koleo_loss.py); behind a `gather` node those of all ranks,
    with gradient. A list of views gives the mean over views, or their sum (`reduce: sum`), as the authors take.
    Duplicates cost log 1e8 = 18.42 and give no gradient, so does a batch of one row, which is its own neighbour.
    x = features (b d), in full precision.
    Differs: the authors add 1e-8 to every coordinate of the difference before its norm.
    """

    name = "koleo_loss"
    term = "the KoLeo regulariser"
    prevents_collapse = True
    features = Input("features[b d]", "features to spread")
    reduce = REDUCE

    @classmethod
    def function(cls) -> Callable[..., Any]:
        return koleo_loss


def koleo_loss(features: Tensor) -> Tensor:
    """features (b d) -> scalar."""
    import torch
    import torch.nn.functional as F

    from graphssl.ops.modules.precision import full_precision

    z = F.normalize(full_precision(features), dim=1, eps=1e-8)  # b d
    similar = z.detach() @ z.detach().T  # b b
    nearest = similar.fill_diagonal_(float("-inf")).argmax(dim=1)  # b
    distance: Tensor = torch.linalg.vector_norm(z - z[nearest], dim=1)  # its gradient at 0 is 0
    return -(distance + 1e-8).log().mean()
