"""BYOL (arXiv:2006.07733) by hand; the bundled graph is graphs/byol.yaml."""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .schedules import cosine, decayed_or_not, warm_cosine


class BYOL(nn.Module):
    """`step([v1, v2])` trains once on two views (b c h w) and gives the loss."""

    def __init__(self, f: nn.Module, *, steps: int, warmup: int, lr: float, hidden: int = 512, dim: int = 64):
        super().__init__()
        self.f, self.g, self.q = f, head(f.num_features, hidden, dim), head(dim, hidden, dim)
        self.to(memory_format=torch.channels_last)
        self.ft, self.gt = (copy.deepcopy(module).requires_grad_(False) for module in (self.f, self.g))
        self.fast, self.slow = (
            [*self.f.parameters(), *self.g.parameters()],
            [*self.ft.parameters(), *self.gt.parameters()],
        )
        decayed, others = decayed_or_not(self.f, self.g, self.q)
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": 1e-5}, {"params": others, "weight_decay": 0.0}], fused=True
        )
        self.steps, self.warmup, self.lr, self.done = steps, warmup, lr, 0

    def step(self, views: list[Tensor]) -> Tensor:
        lr = warm_cosine(self.done, self.warmup, self.steps, self.lr)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        v1, v2 = (view.contiguous(memory_format=torch.channels_last) for view in views)
        p1, p2 = self.q(self.g(self.f(v1))), self.q(self.g(self.f(v2)))
        with torch.no_grad():
            t1, t2 = self.gt(self.ft(v1)), self.gt(self.ft(v2))
        loss = distance(p1, t2) + distance(p2, t1)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.slow, self.fast, 1 - cosine(self.done, self.steps, 0.95, 1.0))
        self.done += 1
        return loss.detach()


def head(width: int, hidden: int, dim: int) -> nn.Sequential:
    """Projector and predictor."""
    return nn.Sequential(
        nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True), nn.Linear(hidden, dim, bias=False)
    )


def distance(p: Tensor, t: Tensor) -> Tensor:
    """Squared distance of unit vectors: (b d), (b d) -> scalar."""
    return (F.normalize(p, dim=1) - F.normalize(t, dim=1)).square().sum(dim=1).mean()
