"""Rows of all ranks. On one rank every function here is the identity; on the meta device `gather` is, too."""

from __future__ import annotations

from typing import overload

import torch
import torch.distributed as dist
from torch import Tensor


class Alone:
    """Within, this process takes itself for the only one: nothing is gathered, and nobody is waited for."""

    depth = 0

    def __enter__(self) -> None:
        Alone.depth += 1

    def __exit__(self, *_: object) -> None:
        Alone.depth -= 1


def world() -> tuple[int, int]:
    """(rank, number of ranks)."""
    if not Alone.depth and dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


@overload
def gather(x: Tensor, *, grad: bool) -> Tensor: ...
@overload
def gather(x: list[Tensor], *, grad: bool) -> list[Tensor]: ...
def gather(x: Tensor | list[Tensor], *, grad: bool) -> Tensor | list[Tensor]:
    """x (b d) of every rank, in rank order (B d); of a list, each of them, in one exchange."""
    if isinstance(x, list):
        if world()[1] == 1 or len(x) < 2 or x[0].is_meta:
            return [gather(each, grad=grad) for each in x]
        together = gather(torch.cat(x, dim=1), grad=grad)
        return [each.contiguous() for each in together.split([each.shape[1] for each in x], dim=1)]
    if world()[1] == 1 or x.is_meta:
        return x if grad else x.detach()
    return GatherRows.apply(x) if grad else gathered(x.detach())


def gathered(x: Tensor) -> Tensor:
    """The rows of every rank, without gradient."""
    parts = [torch.empty_like(x) for _ in range(world()[1])]
    dist.all_gather(parts, x.contiguous())
    return torch.cat(parts)


def summed(x: Tensor) -> Tensor:
    """The sum of x over all ranks, without gradient."""
    total = x.detach().clone()
    if world()[1] > 1:
        dist.all_reduce(total)
    return total


def mean_count(marked: Tensor) -> Tensor:
    """How many of `marked` are true, the mean over ranks (never 0): sums over it, averaged over ranks, are the mean over all."""
    count = marked.sum()
    ranks = world()[1]
    return count.clamp(min=1) if ranks == 1 or marked.is_meta else summed(count).clamp(min=1) / ranks


class GatherRows(torch.autograd.Function):
    """all_gather whose backward sums, over ranks, the gradient of the rows that came from here."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
        ctx.rows = len(x)  # type: ignore[attr-defined]
        return gathered(x)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: Tensor) -> Tensor:  # type: ignore[override]
        rank, _ = world()
        grad = grad.contiguous()
        dist.all_reduce(grad)
        return grad[rank * ctx.rows : (rank + 1) * ctx.rows]  # type: ignore[attr-defined]


def first_row(local: Tensor, candidates: Tensor) -> int:
    """Where this rank's rows begin in `candidates`: 0, or behind the earlier ranks' when they were gathered."""
    rank, ranks = world()
    return rank * len(local) if ranks > 1 and len(candidates) == ranks * len(local) else 0


def own_rows(rows: int, device: torch.device) -> Tensor:
    """Indices of this rank's rows among `rows` gathered ones; on the meta device, where nothing is gathered, all."""
    rank, ranks = world() if device.type != "meta" else (0, 1)
    own = rows // ranks
    return torch.arange(rank * own, (rank + 1) * own, device=device)
