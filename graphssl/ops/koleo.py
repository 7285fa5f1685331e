"""Spreading features evenly, by the distance of each to its nearest neighbour."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from graphssl.ir.signature import Input, Loss
from graphssl.ir.types import Edge
from graphssl.language.fields import choice, integer
from graphssl.ops.contrastive import REDUCE

if TYPE_CHECKING:
    from torch import Tensor


class KoLeoLoss(Loss):
    """Kozachenko-Leonenko estimate of the entropy of the batch (arXiv:1806.03198, eq. 2; DINOv2, arXiv:2304.07193, section 4).

        loss = -mean_i log(‖z_i - z_n(i)‖ + 1e-8),   n(i) = argmax_{j≠i} z_i·z_j,   z = x / ‖x‖

    It takes the features of one view, before any head, and pushes each away from its nearest neighbour. A list of views gives
    the mean over views, or their sum (`reduce: sum`), as the authors take.
    Where the neighbour is sought is part of the method. `scope: global`, the default: among the rows of all ranks, with
    gradient, so that the number of ranks changes nothing (DINOv3: a process group). `group: 64`: among 64 neighbours in the
    global batch, again on any number of ranks; DINOv2's short recipe, 2048 images on 32 GPUs, is this. `scope: rank`: among
    the rows that one process (and micro-batch) happens to hold, as DINOv2's code does (dinov2/loss/koleo_loss.py): the result
    then depends on how many there are.
    Duplicates cost log 1e8 = 18.42 and give no gradient, so does a batch of one row, which is its own neighbour.
    x = features (b d), in full precision; with `group`, rows beyond the last whole group form one of their own.
    Differs: the authors add 1e-8 to every coordinate of the difference before its norm.
    """

    name = "koleo_loss"
    term = "the KoLeo regulariser"
    prevents_collapse = True
    features = Input("features[b d]", "features to spread")
    scope = choice("global", "rank", default="global", role="call", doc="Rows of all ranks, or of each by itself.")
    group = integer(None, doc="Each so many consecutive rows by themselves; default: all in `scope`.", role="call")
    reduce = REDUCE

    @classmethod
    def call_arguments(cls, attrs: Mapping[str, Any], given: Mapping[str, Edge]) -> dict[str, Any]:
        gathered = all(value.gathered for value in given["features"].values)  # all rows are here already
        return super().call_arguments(attrs, given) | ({"scope": "rank"} if gathered else {})

    @classmethod
    def function(cls) -> Callable[..., Any]:
        return koleo_loss


def koleo_loss(features: Tensor, *, scope: str = "global", group: int | None = None) -> Tensor:
    """features (b d) -> scalar: this rank's part of the mean over all ranks."""
    import torch
    import torch.nn.functional as F

    from graphssl.ops.modules.distributed import gather, own_rows
    from graphssl.ops.modules.precision import full_precision

    z = F.normalize(full_precision(features), dim=1, eps=1e-8)  # b d
    local = scope == "rank" or (group is not None and len(z) % group == 0)
    rows = z if local else gather(z, grad=True)  # b d, or B d
    size, nearest = group or len(rows), []
    for start in range(0, len(rows), size):
        part = rows[start : start + size].detach()  # g d
        similar = (part @ part.T).fill_diagonal_(float("-inf"))  # g g
        nearest.append(similar.argmax(dim=1) + start)  # g
    neighbours = rows[torch.cat(nearest)]  # b d, or B d
    if len(rows) > len(z):
        neighbours = neighbours[own_rows(len(rows), z.device)]  # b d
    distance: Tensor = torch.linalg.vector_norm(z - neighbours, dim=1)  # its gradient at 0 is 0
    return -(distance + 1e-8).log().mean()
