"""SimCLR (arXiv:2002.05709) by hand; the bundled graph is graphs/simclr.yaml."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .schedules import decayed_or_not, warm_cosine


class SimCLR(nn.Module):
    """`step([v1, v2])` trains once on two views (b c h w) and gives the loss."""

    def __init__(self, f: nn.Module, *, steps: int, warmup: int, lr: float, hidden: int = 256, dim: int = 64):
        super().__init__()
        self.f = f
        self.g = nn.Sequential(
            nn.Linear(f.num_features, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, dim, bias=False),
            nn.BatchNorm1d(dim),
        )
        self.g[4].register_parameter("bias", None)
        self.to(memory_format=torch.channels_last)
        decayed, others = decayed_or_not(self)
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": 1e-4}, {"params": others, "weight_decay": 0.0}], fused=True
        )
        self.steps, self.warmup, self.lr, self.done = steps, warmup, lr, 0

    def step(self, views: list[Tensor]) -> Tensor:
        lr = warm_cosine(self.done, self.warmup, self.steps, self.lr)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        x = torch.cat(views).contiguous(memory_format=torch.channels_last)
        loss = nt_xent(self.g(self.f(x)), temperature=0.2)
        self.optimizer.zero_grad()
        (2 * loss).backward()  # the authors add both directions instead of averaging
        self.optimizer.step()
        self.done += 1
        return loss.detach()


def nt_xent(z: Tensor, temperature: float) -> Tensor:
    """z (2b d), the second views behind the first -> scalar."""
    z = F.normalize(z, dim=1)
    logits = z @ z.T / temperature
    logits.fill_diagonal_(float("-inf"))
    return F.cross_entropy(logits, torch.arange(len(z)).roll(len(z) // 2))
