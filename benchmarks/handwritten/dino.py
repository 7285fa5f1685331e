"""DINO (arXiv:2104.14294) by hand; the bundled graph is graphs/dino.yaml."""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .schedules import cosine, decayed_or_not, warm_cosine


class DINO(nn.Module):
    """`step([large, large, small, …])` trains once on crops (b c h w), two large and any number of small, and gives the loss."""

    def __init__(
        self, f: nn.Module, *, steps: int, warmup: int, lr: float, freeze_last: int, hidden: int = 256,
        bottleneck: int = 64, prototypes: int = 1024,
    ):  # fmt: skip
        super().__init__()
        self.f, self.h = f, Head(f.num_features, hidden, bottleneck, prototypes)
        self.to(memory_format=torch.channels_last)
        self.ft, self.ht = (copy.deepcopy(module).requires_grad_(False) for module in (self.f, self.h))
        self.register_buffer("center", torch.zeros(prototypes))
        pairs = zip([*self.f.parameters(), *self.h.parameters()], [*self.ft.parameters(), *self.ht.parameters()])
        self.fast, self.slow = map(list, zip(*pairs))
        decayed, others = decayed_or_not(self.f, self.h)
        self.optimizer = torch.optim.AdamW([{"params": decayed}, {"params": others, "weight_decay": 0.0}], fused=True)
        self.steps, self.warmup, self.lr, self.freeze_last, self.done = steps, warmup, lr, freeze_last, 0

    def step(self, views: list[Tensor]) -> Tensor:
        for group in self.optimizer.param_groups:
            group["lr"] = warm_cosine(self.done, self.warmup, self.steps, self.lr, last=1e-6)
        self.optimizer.param_groups[0]["weight_decay"] = cosine(self.done, self.steps, 0.04, 0.4)
        large, small = (
            torch.cat(crops).contiguous(memory_format=torch.channels_last) for crops in (views[:2], views[2:])
        )
        student = self.h(torch.cat([self.f(large), self.f(small)]))
        with torch.no_grad():
            teacher = self.ht(self.ft(large))
            targets = F.softmax((teacher - self.center) / 0.04, dim=-1).chunk(2)
        loss = self.loss(student, targets, len(views))
        self.optimizer.zero_grad()
        loss.backward()
        if self.done < self.freeze_last:
            for p in self.h.last_layer.parameters():
                p.grad = None
        for p in self.fast:
            if p.grad is not None:
                torch.nn.utils.clip_grad_norm_(p, 3.0)
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.slow, self.fast, 1 - cosine(self.done, self.steps, 0.97, 1.0))
            self.center.lerp_(teacher.mean(dim=0), 0.5)
        self.done += 1
        return loss.detach()

    def loss(self, student: Tensor, targets: tuple[Tensor, ...], views: int) -> Tensor:
        """Cross-entropy of every crop with the targets of the other large crops: logits (v·b k), two of (b k) -> scalar."""
        log_probabilities = F.log_softmax(student / 0.1, dim=-1).chunk(views)
        terms = [
            -(target * log_probability).sum(dim=-1).mean()
            for i, log_probability in enumerate(log_probabilities)
            for j, target in enumerate(targets)
            if i != j
        ]
        return torch.stack(terms).mean()


class Head(nn.Module):
    """Three layers, a point on the sphere, its products with the prototypes."""

    def __init__(self, width: int, hidden: int, bottleneck: int, prototypes: int):
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.GELU(),
            nn.Linear(hidden, hidden), nn.BatchNorm1d(hidden), nn.GELU(),
            nn.Linear(hidden, bottleneck),
        )  # fmt: skip
        self.last_layer = nn.utils.parametrizations.weight_norm(nn.Linear(bottleneck, prototypes, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.last_layer(F.normalize(self.mlp(x), dim=-1))
