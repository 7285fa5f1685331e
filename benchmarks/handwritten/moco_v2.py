"""MoCo v2 (arXiv:2003.04297) by hand; the bundled graph is graphs/moco_v2.yaml.

BatchNorm sees the whole batch and the head has none, as the paper's on one device.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .schedules import warm_cosine


class MoCo(nn.Module):
    """`step([vq, vk])` trains once on two views (b c h w) and gives the loss."""

    def __init__(
        self, f: nn.Module, *, steps: int, warmup: int, lr: float, hidden: int = 256, dim: int = 64, queue: int = 2048
    ):
        super().__init__()
        self.f = f
        self.g = nn.Sequential(nn.Linear(f.num_features, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, dim))
        self.to(memory_format=torch.channels_last)
        self.fk, self.gk = (copy.deepcopy(module).requires_grad_(False) for module in (self.f, self.g))
        self.register_buffer("queue", F.normalize(torch.randn(queue, dim), dim=1))
        self.register_buffer("queue_pointer", torch.zeros((), dtype=torch.long))
        self.fast, self.slow = (
            [*self.f.parameters(), *self.g.parameters()],
            [*self.fk.parameters(), *self.gk.parameters()],
        )
        self.optimizer = torch.optim.AdamW(self.fast, weight_decay=5e-4, fused=True)
        self.steps, self.warmup, self.lr, self.done = steps, warmup, lr, 0

    def step(self, views: list[Tensor]) -> Tensor:
        lr = warm_cosine(self.done, self.warmup, self.steps, self.lr)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        vq, vk = (view.contiguous(memory_format=torch.channels_last) for view in views)
        with torch.no_grad():
            torch._foreach_lerp_(self.slow, self.fast, 0.01)
            k = F.normalize(self.gk(self.fk(vk)), dim=1)
        q = F.normalize(self.g(self.f(vq)), dim=1)
        logits = torch.cat([(q * k).sum(dim=1, keepdim=True), q @ self.queue.T], dim=1) / 0.2
        loss = F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.enqueue(k)
        self.done += 1
        return loss.detach()

    def enqueue(self, keys: Tensor) -> None:
        """Overwrite the oldest rows; the queue holds a multiple of the batch."""
        first = int(self.queue_pointer)
        self.queue[first : first + len(keys)] = keys
        self.queue_pointer.fill_((first + len(keys)) % len(self.queue))
